//! A client made of nothing but the protocol: it sends what a test says, allowed or not, and shows every
//! frame that comes back.

mod links;
mod users;

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

use forum_common::frame::{Decoder, NO_TAG, Tag};
use forum_common::limits::DATA_BYTES_MAX;
use forum_common::refusal::{Closing, Refusal};
use forum_common::request::{Request, VERSION};
use forum_common::transfer;
use socket2::{Domain, Socket, Type};

use crate::{DEADLINE, Heard, LinkNotice, Notice, PASSWORD, Reply, Transfer};

/// A connection to the server.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    decoder: Decoder,
    last_tag: Tag,
    /// What came while the test waited for an answer.
    notices: VecDeque<Notice>,
    link_notices: VecDeque<LinkNotice>,
}

impl Wire {
    /// Connects, and says nothing yet.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, DEADLINE).expect("the server listens"))
    }

    /// Connects in such a way that the kernels at both ends keep only some ten kilobytes of what is not read:
    /// without this, loopback's large segments let megabytes disappear there.
    pub fn connect_with_little_room(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a TCP socket");
        socket.set_recv_buffer_size(4 * 1_024).expect("a TCP socket");
        socket.set_tcp_mss(536).expect("a TCP socket");
        socket.connect_timeout(&address.into(), DEADLINE).expect("the server listens");
        Self::over(socket.into())
    }

    /// Connects from this address of the machine, any of 127.0.0.0/8 for instance.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a TCP socket");
        socket.bind(&SocketAddr::new(source, 0).into()).expect("an address of this machine");
        socket.connect_timeout(&address.into(), DEADLINE).expect("the server listens");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
        stream.set_write_timeout(Some(DEADLINE)).expect("a TCP socket");
        Self {
            stream,
            decoder: Decoder::default(),
            last_tag: 0,
            notices: VecDeque::new(),
            link_notices: VecDeque::new(),
        }
    }

    /// Makes the kernel take little ahead of what the test reads: two of loopback's segments.
    pub fn shrink_receive_buffer(&self) {
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.stream, 128 * 1_024).expect("a TCP socket");
    }

    /// Another handle on the socket, for a thread that only writes.
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a descriptor is free")
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes it");
    }

    /// Sends bytes as they are, to a server that may have closed the connection already.
    pub fn send_bytes_regardless(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a request with a fresh tag and does not wait.
    pub fn send(&mut self, request: &Request<'_>) -> Tag {
        let (tag, bytes) = self.frame(request);
        self.send_bytes(&bytes);
        tag
    }

    /// A request as bytes, with a fresh tag.
    pub fn frame(&mut self, request: &Request<'_>) -> (Tag, Vec<u8>) {
        self.last_tag += 1;
        let mut bytes = Vec::new();
        request.encode(self.last_tag, &mut bytes);
        (self.last_tag, bytes)
    }

    /// Requests as bytes, with fresh tags.
    pub fn frames<'a>(&mut self, requests: impl IntoIterator<Item = Request<'a>>) -> (Vec<Tag>, Vec<u8>) {
        let mut bytes = Vec::new();
        let tags = requests.into_iter().map(|request| {
            let (tag, frame) = self.frame(&request);
            bytes.extend(frame);
            tag
        });
        (tags.collect(), bytes)
    }

    /// Sends requests in one piece and does not wait; their tags.
    pub fn send_all<'a>(&mut self, requests: impl IntoIterator<Item = Request<'a>>) -> Vec<Tag> {
        let (tags, bytes) = self.frames(requests);
        self.send_bytes(&bytes);
        tags
    }

    /// The next frames, which must be replies to these tags in this order.
    pub fn answers(&mut self, tags: Vec<Tag>) -> Vec<Reply> {
        tags.into_iter().map(|tag| self.answer(tag)).collect()
    }

    /// Sends a frame of a transfer.
    pub fn send_transfer(&mut self, tag: Tag, transfer: &transfer::Transfer<'_>) {
        let mut bytes = Vec::new();
        transfer.encode(tag, &mut bytes);
        self.send_bytes(&bytes);
    }

    /// Says that nothing more will come.
    pub fn close_output(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next frame that is no notice, or none when the server has said that nothing more will come.
    /// Notices that come before it are kept for [`Wire::notice`] and [`Wire::link_notice`].
    ///
    /// # Panics
    /// Neither comes within [`DEADLINE`], or the connection was reset: the server owes everyone an orderly
    /// end.
    pub fn next_frame(&mut self) -> Option<Heard> {
        self.next_frame_or_reset().unwrap_or_else(|error| panic!("no frame and no end: {error}"))
    }

    /// The next frame that is no notice, or none at the end, of a server that may have been killed.
    ///
    /// # Errors
    /// The connection was reset, or nothing came within [`DEADLINE`].
    pub fn next_frame_or_reset(&mut self) -> std::io::Result<Option<Heard>> {
        loop {
            match self.receive()? {
                Some(Heard::Notice(notice)) => self.notices.push_back(notice),
                Some(Heard::Link(NO_TAG, notice)) => self.link_notices.push_back(notice),
                other => return Ok(other),
            }
        }
    }

    /// The next frame in the order of arrival, whatever it is; none at the end, of a server that may have been
    /// killed.
    ///
    /// # Errors
    /// The connection was reset, or nothing came within [`DEADLINE`].
    pub fn next_heard_or_reset(&mut self) -> std::io::Result<Option<Heard>> {
        if let Some(notice) = self.notices.pop_front() {
            return Ok(Some(Heard::Notice(notice)));
        }
        self.receive()
    }

    fn receive(&mut self) -> std::io::Result<Option<Heard>> {
        let mut bytes = [0; 64 * 1024];
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("the server sends frames") {
                return Ok(Some(Heard::of(&frame)));
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(count) => self.decoder.feed(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next notice.
    ///
    /// # Panics
    /// Something else comes first, or nothing within [`DEADLINE`].
    pub fn notice(&mut self) -> Notice {
        match self.next_heard_or_reset() {
            Ok(Some(Heard::Notice(notice))) => notice,
            other => panic!("wanted a notice, not {other:?}"),
        }
    }

    /// The notices that had left the server when this was called, in order and without their times.
    pub fn notices_so_far(&mut self) -> Vec<Notice> {
        self.ping();
        self.notices.drain(..).map(Notice::timeless).collect()
    }

    /// The notices that came since the last ones that were asked for, or will: as soon as there are `count` of
    /// them, all that have come by then. Without their times.
    ///
    /// # Panics
    /// Something else comes, or fewer within [`DEADLINE`].
    pub fn notices_until(&mut self, count: usize) -> Vec<Notice> {
        let mut heard = self.notices_so_far();
        if heard.len() < count {
            while heard.len() < count {
                match self.receive() {
                    Ok(Some(Heard::Notice(notice))) => heard.push(notice.timeless()),
                    other => panic!("wanted {count} notices, heard {heard:#?} and then {other:?}"),
                }
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
    pub fn expect_notices(&mut self, wanted: &[Notice]) {
        assert_eq!(self.notices_until(wanted.len()), wanted);
    }

    /// Says that all messages up to this number have arrived; there is no answer.
    pub fn taken(&mut self, up_to: u64) {
        self.send(&Request::Taken { up_to });
    }

    /// The next frame, which must be a reply to `tag`.
    pub fn answer(&mut self, tag: Tag) -> Reply {
        match self.next_frame() {
            Some(Heard::Reply(its_tag, reply)) if its_tag == tag => reply,
            other => panic!("wanted the answer to {tag}, not {other:?}"),
        }
    }

    /// The next frame, which must be one of the transfer `tag`.
    pub fn transfer(&mut self, tag: Tag) -> Transfer {
        match self.next_frame() {
            Some(Heard::Transfer(its_tag, transfer)) if its_tag == tag => transfer,
            other => panic!("wanted a frame of transfer {tag}, not {other:?}"),
        }
    }

    /// Sends a request and waits for the first frame of its answer.
    pub fn request(&mut self, request: &Request<'_>) -> Reply {
        let tag = self.send(request);
        self.answer(tag)
    }

    /// Sends a request that must succeed; what the server says to it.
    pub fn done(&mut self, request: &Request<'_>) -> String {
        match self.request(request) {
            Reply::Done(text) => text,
            other => panic!("{request:?} was answered by {other:?}"),
        }
    }

    /// Sends a request that must be refused; why it was.
    pub fn refused(&mut self, request: &Request<'_>) -> (Refusal, String) {
        match self.request(request) {
            Reply::Refused(code, text) => (code, text),
            other => panic!("{request:?} was answered by {other:?}"),
        }
    }

    /// Sends a request whose answer is a list; its items.
    pub fn list(&mut self, request: &Request<'_>) -> Vec<Reply> {
        let tag = self.send(request);
        self.items(tag)
    }

    /// The items of the list that answers `tag`.
    pub fn items(&mut self, tag: Tag) -> Vec<Reply> {
        let mut items = Vec::new();
        loop {
            match self.answer(tag) {
                Reply::EndOfList => return items,
                item if matches!(item, Reply::Title(_)) || item.line().is_some() => items.push(item),
                other => panic!("{other:?} is no item of a list"),
            }
        }
    }

    /// A thread's lines as `RDT` shows them.
    pub fn read_thread(&mut self, title: &str) -> Vec<String> {
        let items = self.list(&Request::ReadThread { title, range: None });
        items.iter().map(|item| item.line().expect("an item of a thread")).collect()
    }

    /// What a request lists, as the client shows it.
    pub fn lines(&mut self, request: &Request<'_>) -> Vec<String> {
        self.list(request).iter().map(|item| item.line().expect("an item that is shown")).collect()
    }

    /// All titles.
    pub fn titles(&mut self) -> Vec<String> {
        let items = self.list(&Request::ListThreads);
        let title = |item| match item {
            Reply::Title(title) => title,
            other => panic!("{other:?} is no title"),
        };
        items.into_iter().map(title).collect()
    }

    /// Does a round trip: what was sent on any connection before this has reached the server.
    pub fn ping(&mut self) {
        assert_eq!(self.request(&Request::Ping(b"?")), Reply::Pong(b"?".to_vec()));
    }

    /// Does a round trip while an upload runs: credit that comes meanwhile is dropped.
    pub fn ping_between_credits(&mut self) {
        let tag = self.send(&Request::Ping(b"?"));
        loop {
            match self.next_frame() {
                Some(Heard::Transfer(_, Transfer::Credit(_))) => {}
                Some(Heard::Reply(its_tag, Reply::Pong(_))) if its_tag == tag => return,
                other => panic!("wanted a pong, not {other:?}"),
            }
        }
    }

    /// Opens the conversation.
    pub fn hello(&mut self) {
        assert_eq!(self.request(&Request::Hello { version: VERSION }), Reply::Hello { version: VERSION });
    }

    /// Says a name; whether it is known, or why it can't log in.
    pub fn name(&mut self, name: &str) -> Reply {
        self.request(&Request::LogIn { name, udp_port: 0 })
    }

    /// Signs up: the name, then the password twice. What came back last.
    pub fn sign_up(&mut self, name: &str, password: &str) -> Reply {
        match self.name(name) {
            Reply::PasswordWanted { known: false } => {
                self.request(&Request::SignUp { password, confirmation: password })
            }
            other => other,
        }
    }

    /// Logs in: the name, then the password. What came back last.
    pub fn log_in(&mut self, name: &str, password: &str) -> Reply {
        match self.name(name) {
            Reply::PasswordWanted { known: true } => self.request(&Request::Password(password)),
            other => other,
        }
    }

    /// Becomes `name`, new or not, with the harness's own [`PASSWORD`].
    pub fn become_user(&mut self, name: &str) {
        let reply = match self.name(name) {
            Reply::PasswordWanted { known: true } => self.request(&Request::Password(PASSWORD)),
            Reply::PasswordWanted { known: false } => {
                self.request(&Request::SignUp { password: PASSWORD, confirmation: PASSWORD })
            }
            other => other,
        };
        assert_eq!(reply, Reply::welcome(), "for {name}");
    }

    /// Sends a whole file; the server's last word.
    pub fn upload(&mut self, title: &str, file: &str, bytes: &[u8]) -> Reply {
        let (tag, credit) = match self.start_upload(title, file, bytes.len() as u64) {
            Ok(started) => started,
            Err(refused) => return refused,
        };
        self.send_data(tag, credit, bytes);
        self.end_upload(tag, bytes)
    }

    /// Asks to send a file: the transfer's tag and its first credit, or the refusal.
    pub fn start_upload(&mut self, title: &str, file: &str, size: u64) -> Result<(Tag, u32), Reply> {
        let tag = self.send(&Request::Upload { title, file, size });
        match self.answer(tag) {
            Reply::UploadStarts { credit } => Ok((tag, credit)),
            refused @ Reply::Refused(..) => Err(refused),
            other => panic!("an upload was answered by {other:?}"),
        }
    }

    /// Sends file bytes within the credit; what credit is left.
    ///
    /// # Panics
    /// The server refuses the rest.
    pub fn send_data(&mut self, tag: Tag, credit: u32, bytes: &[u8]) -> u32 {
        self.try_send_data(tag, credit, bytes)
            .unwrap_or_else(|refused| panic!("wanted credit, not {refused:?}"))
    }

    /// Sends file bytes within the credit: what credit is left, or why the server wants no more.
    ///
    /// # Errors
    /// The reply with which the server ended the upload.
    pub fn try_send_data(&mut self, tag: Tag, mut credit: u32, mut bytes: &[u8]) -> Result<u32, Reply> {
        while !bytes.is_empty() {
            while credit == 0 {
                match self.next_frame() {
                    Some(Heard::Transfer(its_tag, Transfer::Credit(more))) if its_tag == tag => {
                        credit += more
                    }
                    Some(Heard::Reply(its_tag, reply)) if its_tag == tag => return Err(reply),
                    other => panic!("wanted credit, not {other:?}"),
                }
            }
            let length = bytes.len().min(credit as usize).min(DATA_BYTES_MAX);
            let (piece, rest) = bytes.split_at(length);
            self.send_transfer(tag, &transfer::Transfer::Data(piece));
            credit -= length as u32;
            bytes = rest;
        }
        Ok(credit)
    }

    /// Says that these were all bytes; the server's last word.
    pub fn end_upload(&mut self, tag: Tag, bytes: &[u8]) -> Reply {
        self.send_transfer(tag, &transfer::Transfer::End(*blake3::hash(bytes).as_bytes()));
        self.last_word(tag)
    }

    /// The reply that ends the upload `tag`; credit that is still on its way is dropped.
    pub fn last_word(&mut self, tag: Tag) -> Reply {
        loop {
            match self.next_frame() {
                Some(Heard::Transfer(its_tag, Transfer::Credit(_))) if its_tag == tag => {}
                Some(Heard::Reply(its_tag, reply)) if its_tag == tag => return reply,
                other => panic!("wanted the end of upload {tag}, not {other:?}"),
            }
        }
    }

    /// Asks for a file: the transfer's tag and the file's size, or the refusal.
    pub fn start_download(&mut self, title: &str, file: &str) -> Result<(Tag, u64), Reply> {
        let tag = self.send(&Request::Download { title, file });
        match self.answer(tag) {
            Reply::DownloadStarts { size } => Ok((tag, size)),
            refused @ Reply::Refused(..) => Err(refused),
            other => panic!("a download was answered by {other:?}"),
        }
    }

    /// Takes a whole file, with a credit of `credit` bytes at a time; the file, or the refusal.
    pub fn download(&mut self, title: &str, file: &str, credit: u32) -> Result<Vec<u8>, Reply> {
        let (tag, size) = self.start_download(title, file)?;
        let mut bytes = Vec::new();
        let mut offered = 0;
        loop {
            if bytes.len() == offered {
                self.send_transfer(tag, &transfer::Transfer::Credit(credit));
                offered += credit as usize;
            }
            match self.next_frame() {
                Some(Heard::Transfer(its_tag, Transfer::Data(piece))) if its_tag == tag => {
                    bytes.extend_from_slice(&piece);
                    assert!(bytes.len() <= offered, "more than was asked for");
                }
                Some(Heard::Transfer(its_tag, Transfer::End(digest))) if its_tag == tag => {
                    assert_eq!(bytes.len() as u64, size);
                    assert_eq!(digest, *blake3::hash(&bytes).as_bytes());
                    return Ok(bytes);
                }
                Some(Heard::Reply(its_tag, refused)) if its_tag == tag => return Err(refused),
                other => panic!("wanted a piece of {file}, not {other:?}"),
            }
        }
    }

    /// The next frame, which must be the last one: why the server ends the connection.
    pub fn expect_closing(&mut self) -> (Closing, String) {
        match self.next_frame() {
            Some(Heard::Closing(code, text)) => {
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
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
