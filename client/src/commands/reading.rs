//! What a person has read, for the server to remember; what a program has read is not.

use forum_common::text::{Listing, Reader};
use forum_common::wire::{OwnedRequest, Request};

use crate::asked::Server;

/// What was read, and the server has not been told of.
#[derive(Debug, Default)]
pub struct Reading(Vec<OwnedRequest>);

impl Reading {
    /// A list is shown.
    pub fn note(&mut self, listing: &Listing, reader: Reader) {
        if let (Reader::Person, Some(read)) = (reader, listing.read()) {
            self.0.push(read.owned());
        }
    }

    /// Tells the server, when all of it has been shown.
    pub fn tell(&mut self, server: &mut Server) {
        for read in self.0.drain(..) {
            server.tell(&read.as_ref());
        }
    }
}

/// A request as its reader wants it: a person is shown more of each thread than its title.
pub fn wanted(request: Request<'_>, reader: Reader) -> Request<'_> {
    match request {
        Request::ListThreads { after, at_most, .. } if reader == Reader::Person => {
            Request::ListThreads { after, at_most, unread: Some(true) }
        }
        request => request,
    }
}
