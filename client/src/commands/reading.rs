//! What a person has read, for the server to remember; what a program has read is not.

use forum_common::text::{Listing, Reader};
use forum_common::wire::Request;

use crate::asked::Server;

/// Threads that were read, and up to where, of which the server has not been told.
#[derive(Debug, Default)]
pub struct Reading(Vec<(String, u64)>);

impl Reading {
    /// A list is shown.
    pub fn note(&mut self, listing: &Listing, reader: Reader) {
        if let (Reader::Person, Some((title, up_to))) = (reader, listing.read()) {
            self.0.push((title.to_owned(), up_to));
        }
    }

    /// Tells the server, when all of it has been shown.
    pub fn tell(&mut self, server: &mut Server) {
        for (title, up_to) in self.0.drain(..) {
            server.tell(&Request::MarkRead { title: &title, up_to });
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
