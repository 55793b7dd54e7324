//! Lists under way: which may begin, and what ends them.

use super::Service;
use crate::clock::Clock;
use crate::connection::Stream;
use crate::journal::Journal;
use crate::listing::Listing;
use crate::session::{PeerId, Wait};

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// Whether a connection's list may begin; if not, it waits for its turn.
    pub(super) fn may_list(&mut self, id: PeerId, listing: &Listing) -> bool {
        let may_list = self.listings.ask(id, listing.pinned(), self.now);
        self.admit_listings();
        may_list
    }

    /// A connection lists nothing any more, and waits for nothing to list.
    pub(super) fn end_listing(&mut self, id: PeerId) {
        self.listings.end(id);
        self.admit_listings();
    }

    fn admit_listings(&mut self) {
        while let Some(next) = self.listings.admit_next(self.now) {
            self.wait_ended(next, Wait::Listing);
        }
    }

    /// Cuts off who keeps others waiting and does not read.
    pub(super) fn expire_listings(&mut self) {
        for id in self.listings.too_slow(self.now) {
            self.cut_off(id);
        }
    }
}
