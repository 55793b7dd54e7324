//! The protocol described, for clients in other languages: `docs/protocol.json` is this as JSON, and the page
//! `docs/PROTOCOL.md` is checked against it.

use serde::Serialize;

use super::codes::{Closing, CodeInfo, Limit, Refusal, TakeOver};
use super::info::{GroupInfo, MessageInfo};
use super::{VERSION, drafts, frame, messages, replies, requests};
use crate::limits;

/// A number that both ends have to agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Constant {
    /// What is limited.
    pub name: &'static str,
    /// Bytes at most.
    pub bytes: usize,
}

/// All of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Protocol {
    /// The version of the protocol.
    pub version: u16,
    /// The limits that are part of the protocol.
    pub limits: &'static [Constant],
    /// Every message.
    pub groups: &'static [GroupInfo],
    /// Messages of features that are still to be built. Nobody sends them yet.
    pub drafts: &'static [GroupInfo],
    /// Why requests are refused.
    pub refusals: &'static [CodeInfo],
    /// Why connections end.
    pub closings: &'static [CodeInfo],
    /// What a server can have at most.
    pub limit_codes: &'static [CodeInfo],
    /// What LogIn does when the user is online already.
    pub take_over: &'static [CodeInfo],
}

/// Every group of messages that is spoken.
const GROUPS: [GroupInfo; 5] = {
    let ([request, transfer, direct], [reply, notice]) = (requests::GROUPS, replies::GROUPS);
    [request, transfer, direct, reply, notice]
};

/// The protocol that this crate speaks.
pub const PROTOCOL: Protocol = Protocol {
    version: VERSION,
    limits: &[
        Constant { name: "a whole frame", bytes: limits::FRAME_BYTES_MAX },
        Constant { name: "a whole frame before the welcome", bytes: frame::EARLY_FRAME_BYTES_MAX },
        Constant { name: "the file bytes in one Data frame", bytes: limits::DATA_BYTES_MAX },
        Constant { name: "the payload of a Ping", bytes: limits::PING_BYTES_MAX },
        Constant { name: "a user name", bytes: limits::USER_NAME_BYTES_MAX },
        Constant { name: "a thread title", bytes: limits::TITLE_BYTES_MAX },
        Constant { name: "a file name", bytes: limits::FILE_NAME_BYTES_MAX },
        Constant { name: "a password", bytes: limits::PASSWORD_BYTES_MAX },
        Constant { name: "the text of a message", bytes: limits::TEXT_BYTES_MAX },
        Constant { name: "a datagram that is relayed", bytes: messages::RELAYED_BYTES_MAX },
    ],
    groups: &GROUPS,
    drafts: &drafts::GROUPS,
    refusals: Refusal::INFO,
    closings: Closing::INFO,
    limit_codes: Limit::INFO,
    take_over: TakeOver::INFO,
};

impl Protocol {
    /// Every message of every group.
    pub fn messages(&self) -> impl Iterator<Item = &'static MessageInfo> {
        self.groups.iter().flat_map(|group| group.messages)
    }
}
