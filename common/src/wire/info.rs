//! What is said about a message: the macro of the table makes it of the rows.

use serde::{Serialize, Serializer};

/// Which way frames of a kind go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From client to server.
    ToServer,
    /// Both ways.
    Both,
    /// From client to client.
    BetweenClients,
    /// From server to client.
    ToClient,
}

/// Which way frames of this kind go.
pub const fn direction(kind: u8) -> Direction {
    match kind {
        0x40..=0x4f => Direction::Both,
        0x70..=0x7f => Direction::BetweenClients,
        0x00..=0x7f => Direction::ToServer,
        0x80.. => Direction::ToClient,
    }
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FieldInfo {
    /// Its name.
    pub name: &'static str,
    /// The name of its type.
    #[serde(rename = "type")]
    pub of: &'static str,
    /// Whether a byte before it says if it is there.
    pub optional: bool,
    /// Bytes of the string at most, for a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<usize>,
    /// What it means, where the name doesn't say it.
    #[serde(skip_serializing_if = "str::is_empty", serialize_with = "trimmed")]
    pub doc: &'static str,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MessageInfo {
    /// The second field of its frame.
    pub kind: u8,
    /// Its name.
    pub name: &'static str,
    /// Which way it goes.
    pub direction: Direction,
    /// In which phase of a connection it may come: `hello`, `name`, `password`, `member`, `any` after the hello, or
    /// `direct` between clients.
    pub phase: &'static str,
    /// The messages that answer it; besides these, any request that is answered may be refused.
    pub answers: &'static [&'static str],
    /// What it means.
    #[serde(serialize_with = "trimmed")]
    pub doc: &'static str,
    /// Its fields, in the order of the body.
    pub fields: &'static [FieldInfo],
}

/// Messages that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GroupInfo {
    /// Its name.
    pub name: &'static str,
    /// What the messages have in common.
    #[serde(serialize_with = "trimmed")]
    pub doc: &'static str,
    /// The messages, by kind.
    pub messages: &'static [MessageInfo],
}

/// Doc comments begin with a space, and their lines are joined without one.
fn trimmed<S: Serializer>(doc: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(doc.trim())
}
