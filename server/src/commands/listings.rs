//! Lists under way: which may begin, and what ends them.

use crate::core::Core;
use crate::core::listing::Listing;
use crate::journal::Journal;
use crate::session::{ConnectionId, Wait};

impl<J: Journal> Core<J> {
    /// Whether a connection's list may begin; if not, it waits for its turn.
    pub(crate) fn may_list(&mut self, id: ConnectionId, listing: &Listing) -> bool {
        let may_list = self.listings.ask(id, listing.pinned(), self.time.now);
        self.admit_listings();
        may_list
    }

    /// A connection lists nothing any more, and waits for nothing to list.
    pub(crate) fn end_listing(&mut self, id: ConnectionId) {
        self.listings.end(id);
        self.admit_listings();
    }

    fn admit_listings(&mut self) {
        while let Some(next) = self.listings.admit_next(self.time.now) {
            self.wait_ended(next, Wait::Listing);
        }
    }

    /// Cuts off who keeps others waiting and does not read.
    pub(crate) fn expire_listings(&mut self) {
        for id in self.listings.too_slow(self.time.now) {
            self.cut_off(id);
        }
    }
}
