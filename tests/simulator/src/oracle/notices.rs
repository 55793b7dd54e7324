//! What clients are told unasked.

use forum_common::wire::OwnedNotice;

use super::Oracle;

impl Oracle {
    /// A connection was told something.
    pub(crate) fn told(&mut self, socket: usize, notice: &OwnedNotice) {
        if !self.conns[socket].is_judged {
            return;
        }
        match notice {
            OwnedNotice::Message { number, late: _, at_ms, from, text } => {
                self.told_message(socket, *number, (*at_ms, from, text));
            }
            OwnedNotice::RelayedSealed { link, ciphertext } => {
                let said = self.relayed.remove(ciphertext);
                self.expect(said == Some(*link), || {
                    format!("{ciphertext:?} comes over link {link}, and was said over {said:?}")
                });
            }
            // The last word is looked at by the client.
            OwnedNotice::Probe | OwnedNotice::Closing { .. } | OwnedNotice::RelayedDatagram { .. } => {}
            notice => self.told_in_order(socket, notice),
        }
    }

    fn told_in_order(&mut self, socket: usize, notice: &OwnedNotice) {
        let fits = self.conns[socket].expected.take(notice);
        if !fits {
            let due = self.conns[socket].expected.due();
            self.fail(format!("socket {socket} was told {notice:?} instead of {due:?}"));
        }
    }

    fn told_message(&mut self, socket: usize, number: u64, (at_ms, from, text): (u64, &str, &str)) {
        let Some(user) = self.conns[socket].user else {
            return self.fail(format!("socket {socket} gets messages, and nobody is logged in"));
        };
        let newest = std::mem::replace(&mut self.conns[socket].newest_message, number);
        self.expect(number > newest, || format!("message {number} for {user} after {newest}"));
        let Some(said) = self.messages.get(&(user, number)).cloned() else {
            return self.fail(format!("message {number} for {user} was never sent"));
        };
        let author = self.state().name(said.author).to_string();
        let is_same = (said.at_ms, &*author, &*said.text) == (at_ms, from, text);
        self.expect(is_same, || format!("message {number} for {user} is {said:?}, and says {text}"));
        let taken = self.conns[socket].taken;
        self.expect(number > taken, || {
            format!(
                "message {number} comes to {user} again though all up to {taken} were acknowledged in order"
            )
        });
        // None that waits is left out.
        let skipped = self.state().mail.get(&user).and_then(|mailbox| {
            let waiting = mailbox.waiting.iter().map(|(number, _)| *number);
            let acked = self.acked.get(&user).copied().unwrap_or(0);
            waiting.into_iter().find(|other| *other > newest.max(acked) && *other < number)
        });
        self.expect(skipped.is_none(), || {
            format!("message {skipped:?} for {user} was left out before {number}")
        });
    }

    /// Whether all messages that wait for the user of a connection were sent on it, or acknowledged before.
    pub(crate) fn has_all_messages(&self, socket: usize) -> bool {
        let conn = &self.conns[socket];
        let Some(mailbox) = conn.user.and_then(|user| self.state().mail.get(&user)) else { return true };
        let acked = conn.user.and_then(|user| self.acked.get(&user)).copied().unwrap_or(0);
        mailbox.waiting.back().is_none_or(|(number, _)| *number <= conn.newest_message.max(acked))
    }
}
