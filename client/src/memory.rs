//! What a client remembers from one connection to the next: which prompt is due, which messages it has shown
//! to whom, and the names that have gone by.
//!
//! It doesn't know frames or what they look like.

use std::collections::HashMap;

use crate::names::Names;

/// Which prompt is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// The one with the full list of commands, until one is entered.
    Full,
    /// The short one.
    Short,
}

/// What outlives a connection.
#[derive(Debug)]
pub struct Memory {
    /// The prompt that comes next.
    pub greeting: Greeting,
    /// What Tab can complete.
    pub names: Names,
    account: String,
    /// When the session began, by the server's clock.
    since_ms: u64,
    /// The number of the newest message shown, by account: one process may log in to several.
    shown: HashMap<String, u64>,
}

impl Default for Memory {
    fn default() -> Self {
        let (names, shown) = (Names::default(), HashMap::new());
        Self { greeting: Greeting::Full, names, account: String::new(), since_ms: 0, shown }
    }
}

impl Memory {
    /// This account is logged in now. The numbers of one that `is_new` begin anew: the server has lost an
    /// older one of its name.
    pub fn enter(&mut self, account: &str, since_ms: u64, is_new: bool) {
        account.clone_into(&mut self.account);
        self.since_ms = since_ms;
        self.names.belong_to(account);
        if is_new {
            self.shown.remove(account);
        }
    }

    /// Who is logged in, and since when by the server's clock.
    pub fn session(&self) -> (&str, u64) {
        (&self.account, self.since_ms)
    }

    /// Takes note of a message; whether it is one to show. Numbers rise, so one that does not has been
    /// shown before, and the server did not learn it.
    pub fn is_fresh(&mut self, number: u64) -> bool {
        match self.shown.get_mut(&self.account) {
            Some(shown) if number <= *shown => false,
            Some(shown) => {
                *shown = number;
                true
            }
            None => {
                self.shown.insert(self.account.clone(), number);
                true
            }
        }
    }

    /// The number of the newest message that was shown on this account.
    pub fn newest(&self) -> Option<u64> {
        self.shown.get(&self.account).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_fresh_once_and_on_its_account() {
        let mut memory = Memory::default();
        memory.enter("yoda", 0, true);
        assert_eq!(memory.newest(), None);
        assert_eq!([1, 2, 2, 1, 3].map(|number| memory.is_fresh(number)), [true, true, false, false, true]);
        memory.enter("hans", 0, false);
        assert!(memory.is_fresh(1));
        memory.enter("yoda", 0, false);
        assert!(!memory.is_fresh(3) && memory.newest() == Some(3));
    }

    #[test]
    fn an_account_that_is_made_anew_counts_anew() {
        let mut memory = Memory::default();
        memory.enter("yoda", 0, false);
        assert!(memory.is_fresh(7));
        memory.enter("yoda", 0, true);
        assert!(memory.is_fresh(1));
    }
}
