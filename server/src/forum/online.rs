//! Who is online and who was: passing state, changed by log-ins and log-outs. A clone of the lists is O(1), so that a
//! listing shows one instant however slowly it is read.

use core::net::IpAddr;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{AccountId, Sequence, Users};

/// Names a session: on which node it is, since that began, and which of its sessions. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId {
    /// The node, between its start and its end: a random number that it draws when it starts.
    pub epoch: u64,
    /// The session among those of the node. What the number means is the node's own affair.
    pub number: u64,
}

/// A user who is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnlineUser {
    /// Who.
    pub account: AccountId,
    /// In which session.
    pub session: SessionId,
    /// From which address.
    pub address: IpAddr,
    /// Where it takes files of other users; 0 = nowhere.
    pub udp_port: u16,
    /// Since when, in UTC milliseconds.
    pub since_ms: u64,
}

/// The order of log-ins and of log-outs.
type Order = u64;

/// Added to the order of a log-out where it names a place in a list: those gone come after all who are online.
const GONE: Order = 1 << 63;

/// A user in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedUser {
    /// Who.
    pub account: AccountId,
    /// When the user logged out, in UTC milliseconds; none of those online.
    pub left_ms: Option<u64>,
    /// Names the place in the list, for [`OnlineListing::skip_past`].
    pub place: u64,
}

/// Everybody who is online, and everybody who was since the server began.
#[derive(Debug, Default)]
pub struct Online {
    /// In the order of log-ins. A persistent map would take twice the memory, since it splits what is only
    /// ever appended to into halves.
    present: Sequence<(Order, OnlineUser)>,
    /// Where each of them is found. A tree: it grows by a few at a time, and a hash table by doubling.
    orders: BTreeMap<AccountId, Order>,
    next: Order,
    /// Who logged out and did not come back, in that order, with the time in UTC milliseconds.
    gone: imbl::OrdMap<Order, (AccountId, u64)>,
    gone_orders: HashMap<AccountId, Order>,
}

impl Online {
    /// What it costs to have a user here, without the tree of orders.
    #[cfg(test)]
    pub(crate) const BYTES_EACH: usize = size_of::<(Order, OnlineUser)>();

    /// The user's session, if there is one.
    pub fn find(&self, account: AccountId) -> Option<&OnlineUser> {
        let index = self.index_of(*self.orders.get(&account)?);
        self.present.get(index).map(|(_, user)| user)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Everybody, in the order of log-ins.
    pub fn iter(&self) -> impl Iterator<Item = &OnlineUser> {
        self.present.iter().map(|(_, user)| user)
    }

    /// Takes in a user who was not online.
    pub(super) fn insert(&mut self, user: OnlineUser) {
        debug_assert!(!self.orders.contains_key(&user.account), "a name is claimed once");
        if let Some(order) = self.gone_orders.remove(&user.account) {
            self.gone.remove(&order);
        }
        self.next += 1;
        self.orders.insert(user.account, self.next);
        self.present.push((self.next, user));
    }

    /// Lets a user go, if it is online.
    pub(super) fn remove(&mut self, account: AccountId, at_ms: u64) {
        let Some(order) = self.orders.remove(&account) else { return };
        self.present.remove(self.index_of(order));
        self.next += 1;
        self.gone.insert(self.next, (account, at_ms));
        self.gone_orders.insert(account, self.next);
    }

    fn index_of(&self, order: Order) -> usize {
        self.present.partition_point(|(other, _)| *other < order)
    }

    /// A list of all others who have not blocked the one who asks; with `gone_since_ms` also those who went
    /// no earlier than that.
    pub fn list(&self, asker: AccountId, hidden: Users, gone_since_ms: Option<u64>) -> OnlineListing {
        let gone = match gone_since_ms {
            Some(_) => self.gone.clone(),
            None => imbl::OrdMap::new(),
        };
        let earliest_ms = gone_since_ms.unwrap_or(0);
        let present = self.present.clone();
        OnlineListing { present, next: 0, gone, before: GONE, earliest_ms, asker, hidden }
    }
}

/// A list of users under way.
#[derive(Debug)]
pub struct OnlineListing {
    present: Sequence<(Order, OnlineUser)>,
    /// The index of the next to be listed.
    next: usize,
    gone: imbl::OrdMap<Order, (AccountId, u64)>,
    /// Those from here on were listed: who went last comes first.
    before: Order,
    earliest_ms: u64,
    asker: AccountId,
    hidden: Users,
}

impl OnlineListing {
    /// What it keeps in memory while others come and go.
    pub fn bytes(&self) -> usize {
        self.present.len() * size_of::<(Order, OnlineUser)>()
            + self.gone.len() * size_of::<(Order, (AccountId, u64))>()
    }

    /// Leaves out everybody up to this place.
    pub fn skip_past(&mut self, place: u64) {
        if place < GONE {
            self.next = self.present.partition_point(|(order, _)| *order <= place);
        } else {
            self.next = self.present.len();
            self.before = place - GONE;
        }
    }

    /// The next who is online, with the place in the list; none at the end.
    pub fn next_online(&mut self) -> Option<(u64, OnlineUser)> {
        loop {
            let &(order, user) = self.present.get(self.next)?;
            self.next += 1;
            if user.account != self.asker && !self.hidden.contains(&user.account) {
                return Some((order, user));
            }
        }
    }

    /// The next user, first of those online, then of those gone; none at the end.
    pub fn next_user(&mut self) -> Option<ListedUser> {
        if let Some((place, OnlineUser { account, .. })) = self.next_online() {
            return Some(ListedUser { account, left_ms: None, place });
        }
        loop {
            let (&order, &(account, at_ms)) = self.gone.range(..self.before).next_back()?;
            if at_ms < self.earliest_ms {
                return None;
            }
            self.before = order;
            if account != self.asker && !self.hidden.contains(&account) {
                return Some(ListedUser { account, left_ms: Some(at_ms), place: GONE + order });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u32) -> OnlineUser {
        OnlineUser {
            account: AccountId(number),
            session: SessionId { epoch: 1, number: number.into() },
            address: "127.0.0.1".parse().unwrap(),
            udp_port: 0,
            since_ms: 0,
        }
    }

    fn listed(mut listing: OnlineListing) -> Vec<u32> {
        std::iter::from_fn(|| listing.next_user()).map(|user| user.account.0).collect()
    }

    #[test]
    fn others_are_listed_in_the_order_of_log_ins_and_then_those_gone() {
        let mut online = Online::default();
        for number in [3, 1, 2, 4, 5] {
            online.insert(user(number));
        }
        online.remove(AccountId(4), 1_000);
        online.remove(AccountId(5), 2_000);
        assert_eq!(listed(online.list(AccountId(1), Users::default(), None)), [3, 2]);
        assert_eq!(listed(online.list(AccountId(1), Users::default(), Some(0))), [3, 2, 5, 4]);
        assert_eq!(listed(online.list(AccountId(1), Users::default(), Some(1_500))), [3, 2, 5]);
        let hidden = [AccountId(3), AccountId(5)].into_iter().collect();
        assert_eq!(listed(online.list(AccountId(1), hidden, Some(0))), [2, 4]);
        online.insert(user(4));
        assert_eq!(listed(online.list(AccountId(1), Users::default(), Some(0))), [3, 2, 4, 5]);
    }
}
