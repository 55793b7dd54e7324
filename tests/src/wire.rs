//! A client made of nothing but the protocol: it sends what a test says, allowed or not, and shows every
//! frame that comes back.

mod transfers;
pub(crate) mod users;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use forum_common::text::{Listing, Shown, Zone};
use forum_common::wire::{
    Blocking, Closing, Event, Notice, OwnedFromServer, OwnedNotice, OwnedReply, Reply, Request, Tag, Transfer,
};
use rustls::ClientConfig;
use socket2::{Domain, SockFilter, SockRef, Socket, Type};

use crate::outcome::{self, Outcome, Refused};
use crate::tls::Line;
use crate::{DEADLINE, notice};

/// A connection to the server.
#[derive(Debug)]
pub struct Wire {
    line: Blocking<Line, ()>,
    /// What came while the test waited for an answer.
    notices: VecDeque<OwnedNotice>,
    link_notices: VecDeque<OwnedNotice>,
    /// The zone of the server.
    zone: Zone,
}

impl Wire {
    /// Connects, and says nothing yet.
    pub fn connect(address: SocketAddr) -> Self {
        Self::plain(connect(address))
    }

    /// Connects with TLS, to a server of this name, and says nothing yet.
    pub fn connect_tls(address: SocketAddr, config: Arc<ClientConfig>, name: &'static str) -> Self {
        Self::over(Line::tls(prepared(connect(address)), config, name))
    }

    /// Connects in such a way that the kernels at both ends keep only some ten kilobytes of what is not read:
    /// without this, loopback's large segments let megabytes disappear there.
    pub fn connect_with_little_room(address: SocketAddr) -> Self {
        Self::connect_prepared(address, |socket| {
            socket.set_recv_buffer_size(4 * 1_024)?;
            socket.set_tcp_mss(536)
        })
    }

    /// Connects from this address of the machine, any of 127.0.0.0/8 for instance.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        Self::connect_prepared(address, |socket| socket.bind(&SocketAddr::new(source, 0).into()))
    }

    fn connect_prepared(address: SocketAddr, prepare: impl FnOnce(&Socket) -> io::Result<()>) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a TCP socket");
        prepare(&socket).expect("a TCP socket of this machine");
        socket.connect_timeout(&address.into(), DEADLINE).expect("the server listens");
        Self::plain(socket.into())
    }

    fn plain(stream: TcpStream) -> Self {
        Self::over(Line::plain(prepared(stream)))
    }

    fn over(line: Line) -> Self {
        let (notices, link_notices) = (VecDeque::new(), VecDeque::new());
        Self { line: Blocking::new(line), notices, link_notices, zone: Zone::utc() }
    }

    /// Makes the kernel take little ahead of what the test reads: two of loopback's segments.
    pub fn shrink_receive_buffer(&self) {
        rustix::net::sockopt::set_socket_recv_buffer_size(self.line.stream().socket(), 128 * 1_024)
            .expect("a TCP socket");
    }

    /// From now on nothing reaches this end: the kernel drops each packet that comes, so it acknowledges nothing, and
    /// what is sent says nothing new. To the server this is a peer that has vanished.
    pub fn vanish(&self) {
        const RETURN: u16 = 0x06;
        let drop_all = [SockFilter::new(RETURN, 0, 0, 0)];
        SockRef::from(self.line.stream().socket()).attach_filter(&drop_all).expect("a TCP socket");
    }

    /// What it goes over.
    pub fn line(&mut self) -> &mut Line {
        self.line.stream_mut()
    }

    /// Another handle on the socket: for bytes of which this is to know nothing, and for threads.
    pub fn stream(&self) -> TcpStream {
        self.line.stream().socket().try_clone().expect("a descriptor is free")
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.line.stream_mut().write_all(bytes).expect("the server takes it");
    }

    /// Sends bytes as they are, to a server that may have closed the connection already.
    pub fn send_bytes_regardless(&mut self, bytes: &[u8]) {
        let _ = self.line.stream_mut().write_all(bytes);
    }

    /// Sends a request and does not wait; its tag.
    pub fn send(&mut self, request: &Request<'_>) -> Tag {
        let (tag, bytes) = self.frame(request);
        self.send_bytes(&bytes);
        tag
    }

    /// Sends requests in one piece and does not wait; their tags.
    pub fn send_all<'a>(&mut self, requests: impl IntoIterator<Item = Request<'a>>) -> Vec<Tag> {
        let (tags, bytes) = self.frames(requests);
        self.send_bytes(&bytes);
        tags
    }

    /// A request as bytes: from now on its answer is waited for.
    pub fn frame(&mut self, request: &Request<'_>) -> (Tag, Vec<u8>) {
        let (tags, bytes) = self.frames([*request]);
        (tags[0], bytes)
    }

    /// Requests as bytes: from now on their answers are waited for.
    pub fn frames<'a>(&mut self, requests: impl IntoIterator<Item = Request<'a>>) -> (Vec<Tag>, Vec<u8>) {
        let peer = self.line.peer();
        let queue = |request: Request<'a>| {
            if request.is_answered() { peer.ask(&request, ()) } else { peer.tell(&request) }
        };
        let tags = requests.into_iter().map(queue).collect();
        let bytes = peer.unsent().to_vec();
        peer.sent(bytes.len());
        (tags, bytes)
    }

    /// Sends a frame of a transfer.
    pub fn send_transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) {
        self.line.transfer(tag, transfer).expect("the server takes it");
    }

    /// Says that nothing more will come.
    pub fn close_output(&mut self) {
        self.line.stream_mut().end_output();
    }

    /// The next frame in the order of arrival; none at the end.
    ///
    /// # Panics
    /// The server breaks the protocol.
    fn receive(&mut self) -> io::Result<Option<OwnedFromServer>> {
        loop {
            let event = self.line.next_event().inspect_err(|error| {
                assert_ne!(
                    error.kind(),
                    io::ErrorKind::InvalidData,
                    "the server breaks the protocol: {error}"
                );
            });
            let Some(event) = event? else { return Ok(None) };
            return Ok(Some(match event {
                // It comes whenever a test is slow.
                Event::Notice(Notice::Probe) => continue,
                Event::Notice(notice) => OwnedFromServer::Notice(notice.owned()),
                Event::Item(tag, _, reply) | Event::Starts(tag, _, reply) | Event::Answer(tag, (), reply) => {
                    OwnedFromServer::Reply(tag, reply.owned())
                }
                Event::Transfer(tag, _, transfer) | Event::Downloaded(tag, (), transfer) => {
                    OwnedFromServer::Transfer(tag, transfer.owned())
                }
            }));
        }
    }

    fn keep(&mut self, notice: OwnedNotice) {
        let is_of_link = notice.as_ref().link().is_some();
        if is_of_link { &mut self.link_notices } else { &mut self.notices }.push_back(notice);
    }

    /// The next frame that is no notice, or the goodbye, or none when the server has said that nothing more will
    /// come. Notices that come before it are kept for [`Wire::notice`] and [`Wire::link_notice`].
    ///
    /// # Panics
    /// Nothing comes within [`DEADLINE`], or the connection was reset: the server owes everyone an orderly end.
    pub fn next_frame(&mut self) -> Option<OwnedFromServer> {
        self.next_frame_or_reset().unwrap_or_else(|error| panic!("no frame and no end: {error}"))
    }

    /// The same of a server that may have been killed.
    ///
    /// # Errors
    /// The connection was reset, or nothing came within [`DEADLINE`].
    pub fn next_frame_or_reset(&mut self) -> io::Result<Option<OwnedFromServer>> {
        loop {
            match self.receive()? {
                Some(OwnedFromServer::Notice(notice)) if !matches!(notice, OwnedNotice::Closing { .. }) => {
                    self.keep(notice);
                }
                other => return Ok(other),
            }
        }
    }

    /// The next frame in the order of arrival, whatever it is; none at the end, of a server that may have been
    /// killed.
    ///
    /// # Errors
    /// The connection was reset, or nothing came within [`DEADLINE`].
    pub fn next_heard_or_reset(&mut self) -> io::Result<Option<OwnedFromServer>> {
        match self.notices.pop_front() {
            Some(notice) => Ok(Some(OwnedFromServer::Notice(notice))),
            None => self.receive(),
        }
    }

    /// The next notice.
    ///
    /// # Panics
    /// Something else comes first, or nothing within [`DEADLINE`].
    pub fn notice(&mut self) -> OwnedNotice {
        match self.next_heard_or_reset() {
            Ok(Some(OwnedFromServer::Notice(notice))) => notice,
            other => panic!("wanted a notice, not {other:?}"),
        }
    }

    /// The next that the server says of a link; other notices that come before it are kept.
    ///
    /// # Panics
    /// An answer comes first, or nothing within [`DEADLINE`].
    pub fn link_notice(&mut self) -> OwnedNotice {
        while self.link_notices.is_empty() {
            match self.receive() {
                Ok(Some(OwnedFromServer::Notice(notice))) => self.keep(notice),
                other => panic!("wanted news of a link, not {other:?}"),
            }
        }
        self.link_notices.pop_front().expect("there is one")
    }

    /// What the server had said of links when this was called, since the last that was asked for.
    pub fn link_notices_so_far(&mut self) -> Vec<OwnedNotice> {
        self.ping();
        self.link_notices.drain(..).collect()
    }

    /// The notices that had left the server when this was called, in order and without their times.
    pub fn notices_so_far(&mut self) -> Vec<OwnedNotice> {
        self.ping();
        self.notices.drain(..).map(notice::timeless).collect()
    }

    /// The notices that came since the last ones that were asked for, or will: as soon as there are `count` of
    /// them, all that have come by then. Without their times.
    ///
    /// # Panics
    /// Something else comes, or fewer within [`DEADLINE`].
    pub fn notices_until(&mut self, count: usize) -> Vec<OwnedNotice> {
        let mut heard = self.notices_so_far();
        if heard.len() < count {
            while heard.len() < count {
                heard.push(notice::timeless(self.notice()));
            }
            heard.extend(self.notices_so_far());
        }
        heard
    }

    /// Insists that exactly these notices have come since the last ones that were asked for, or will: in this
    /// order, none missing and none besides. Times are not compared.
    ///
    /// # Panics
    /// It is not so.
    pub fn expect_notices(&mut self, wanted: &[OwnedNotice]) {
        assert_eq!(self.notices_until(wanted.len()), wanted);
    }

    /// The next frame, which must be a reply to `tag`.
    pub fn answer(&mut self, tag: Tag) -> OwnedReply {
        match self.next_frame() {
            Some(OwnedFromServer::Reply(its_tag, reply)) if its_tag == tag => reply,
            other => panic!("wanted the answer to {tag}, not {other:?}"),
        }
    }

    /// Takes so many frames of answers, each of which must be as `wanted`, and makes no value of any: for thousands of
    /// them. Notices that come between them are dropped.
    pub fn take_answers(&mut self, count: usize, mut wanted: impl FnMut(&Reply<'_>) -> bool) {
        let mut left = count;
        while left > 0 {
            match self.line.next_event().expect("answers come in time") {
                Some(Event::Item(_, _, reply) | Event::Answer(_, (), reply)) => {
                    assert!(wanted(&reply), "{reply:?}");
                    left -= 1;
                }
                Some(Event::Notice(_)) => {}
                other => panic!("wanted an answer, not {other:?}"),
            }
        }
    }

    /// Sends a request and waits for the first frame of its answer.
    pub fn request(&mut self, request: &Request<'_>) -> OwnedReply {
        let tag = self.send(request);
        self.answer(tag)
    }

    /// What becomes of the request `tag`, in words.
    pub fn outcome_of(&mut self, tag: Tag) -> Outcome {
        outcome::of(self.answer(tag))
    }

    /// What becomes of these requests, in their order, and nothing else comes between.
    pub fn outcomes(&mut self, tags: Vec<Tag>) -> Vec<Outcome> {
        tags.into_iter().map(|tag| self.outcome_of(tag)).collect()
    }

    /// What becomes of all that was asked, as far as the server says so before the end, orderly or not.
    pub fn outcomes_to_the_end(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Ok(Some(heard)) = self.next_frame_or_reset() {
            match heard {
                OwnedFromServer::Reply(_, reply) => outcomes.push(outcome::of(reply)),
                OwnedFromServer::Notice(_) => {}
                OwnedFromServer::Transfer(..) => panic!("{heard:?} answers nothing"),
            }
        }
        outcomes
    }

    /// Sends a request; what becomes of it, in words.
    pub fn outcome(&mut self, request: &Request<'_>) -> Outcome {
        let tag = self.send(request);
        self.outcome_of(tag)
    }

    /// Sends a request that must succeed; what the server says to it.
    pub fn done(&mut self, request: &Request<'_>) -> String {
        self.outcome(request).unwrap_or_else(|refused| panic!("{request:?} was refused: {refused:?}"))
    }

    /// Sends a request that must be refused; why it was.
    pub fn refused(&mut self, request: &Request<'_>) -> Refused {
        self.outcome(request).expect_err("a refusal")
    }

    /// The items of the list that answers `tag`, and what the next page comes after.
    pub fn page(&mut self, tag: Tag) -> (Vec<OwnedReply>, Option<u64>) {
        let mut items = Vec::new();
        loop {
            match self.answer(tag) {
                OwnedReply::EndOfList { next } => return (items, next),
                item if item.as_ref().is_item() => items.push(item),
                other => panic!("{other:?} is no item of a list"),
            }
        }
    }

    /// The items of the whole list that answers `tag`.
    pub fn items(&mut self, tag: Tag) -> Vec<OwnedReply> {
        let (items, next) = self.page(tag);
        assert_eq!(next, None, "the list goes on");
        items
    }

    /// Sends a request whose answer is a list; its items.
    pub fn list(&mut self, request: &Request<'_>) -> Vec<OwnedReply> {
        let tag = self.send(request);
        self.items(tag)
    }

    /// What a request lists, as the client shows it, without headings.
    pub fn lines(&mut self, request: &Request<'_>) -> Vec<String> {
        let tag = self.send(request);
        self.lines_of(tag, request)
    }

    /// The same of this request, which was sent as `tag`.
    pub fn lines_of(&mut self, tag: Tag, request: &Request<'_>) -> Vec<String> {
        let mut listing = Listing::answering(request).expect("a list is asked for");
        let items = self.items(tag);
        let line = |item: OwnedReply| match listing.take(&item.as_ref(), &self.zone) {
            Shown::Item { line, .. } => line,
            other => panic!("{item:?} is shown as {other:?}"),
        };
        items.into_iter().map(line).collect()
    }

    /// The next frame, which must be the last one: why the server ends the connection.
    pub fn expect_closing(&mut self) -> (Closing, String) {
        match self.next_frame() {
            Some(OwnedFromServer::Notice(OwnedNotice::Closing { code, text })) => {
                self.expect_closed();
                (code, text)
            }
            other => panic!("wanted a goodbye, not {other:?}"),
        }
    }

    /// Insists that nothing comes any more.
    pub fn expect_closed(&mut self) {
        assert_eq!(self.next_frame(), None);
    }
}

impl Drop for Wire {
    /// Closing alone is not enough: a process that is just being started holds copies of all descriptors for
    /// a moment, and the server would see the end only when it lets go of them.
    fn drop(&mut self) {
        let _ = self.line.stream().socket().shutdown(Shutdown::Both);
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, DEADLINE).expect("the server listens")
}

fn prepared(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
    stream.set_write_timeout(Some(DEADLINE)).expect("a TCP socket");
    stream
}
