//! Accounts: who may log in. They are never deleted, so an [`AccountId`] stays good for ever.

use std::ops::Index;

use forum_common::names::UserName;
use serde::{Deserialize, Serialize};

use super::name_index::NameIndex;
use crate::workers::passwords::PasswordHash;

/// An account's place in the order of sign-ups, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountId(pub u32);

/// One account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name it signed up with.
    pub name: UserName,
    /// What its password is checked against.
    pub hash: PasswordHash,
    /// The size of all its files in the forum, in bytes.
    pub file_bytes: u64,
}

/// All accounts.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    by_id: imbl::Vector<Account>,
    by_name: NameIndex<AccountId>,
}

impl Accounts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nobody signed up yet.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The account with exactly this name.
    pub fn find(&self, name: &str) -> Option<AccountId> {
        self.by_name.find(name, |id| self.get(id).map(|account| account.name.as_str()))
    }

    /// The account with this id.
    pub fn get(&self, id: AccountId) -> Option<&Account> {
        self.by_id.get(id.0 as usize)
    }

    /// All accounts in the order of sign-ups.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_id.iter()
    }

    pub(super) fn create(&mut self, name: UserName, hash: PasswordHash) -> AccountId {
        let id = AccountId(u32::try_from(self.by_id.len()).expect("fewer accounts than names of memory"));
        self.by_name.insert(&name, id);
        self.by_id.push_back(Account { name, hash, file_bytes: 0 });
        id
    }

    pub(super) fn set_password(&mut self, id: AccountId, hash: PasswordHash) {
        if let Some(account) = self.by_id.get_mut(id.0 as usize) {
            account.hash = hash;
        }
    }

    pub(super) fn add_file_bytes(&mut self, id: AccountId, bytes: u64) {
        if let Some(account) = self.by_id.get_mut(id.0 as usize) {
            account.file_bytes += bytes;
        }
    }

    pub(super) fn subtract_file_bytes(&mut self, id: AccountId, bytes: u64) {
        if let Some(account) = self.by_id.get_mut(id.0 as usize) {
            account.file_bytes = account.file_bytes.saturating_sub(bytes);
        }
    }
}

impl Index<AccountId> for Accounts {
    type Output = Account;

    fn index(&self, id: AccountId) -> &Account {
        &self.by_id[id.0 as usize]
    }
}
