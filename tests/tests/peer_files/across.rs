//! yoda and hans with a bad network between them.

use forum_tests::{Client, Forum, Lossy, Server, Weather, until};

use super::{question, random_bytes};

/// yoda on the left of a network and hans on its right.
pub(super) struct Across {
    pub(super) server: Server,
    pub(super) network: Lossy,
    pub(super) yoda: Client,
    /// How hans is to be started again.
    pub(super) forum: Forum,
    pub(super) hans: Client,
    /// What yoda's file holds.
    pub(super) bytes: Vec<u8>,
    seed: u64,
}

impl Across {
    pub(super) fn new(seed: u64) -> Self {
        Self::of(Server::start(&[]), seed, &[])
    }

    /// Users of this server; hans has these options.
    pub(super) fn of(server: Server, seed: u64, options: &[&str]) -> Self {
        let network = Lossy::around(server.address(), seed);
        let mut yoda = Forum::at(network.left()).sign_up("yoda");
        let forum = Forum::at(network.right()).args(options);
        let hans = forum.sign_up("hans");
        yoda.hears("hans logged in");
        Self { server, network, yoda, forum, hans, bytes: Vec::new(), seed }
    }

    /// yoda sends hans a file of so many random bytes, and hans takes it.
    pub(super) fn begin(&mut self, size: usize) {
        self.bytes = random_bytes(self.seed, size);
        self.yoda.put_file("f", &self.bytes);
        self.offer();
    }

    /// yoda sends hans the file that there is, and hans takes it.
    pub(super) fn offer(&mut self) {
        self.yoda.says("UDP hans f");
        self.hans.hears(&question("f", self.bytes.len()));
        self.hans.says("y");
    }

    /// It comes to a good end.
    pub(super) fn finish(&mut self) {
        self.yoda.hears("f has been uploaded");
        self.hans.hears("Received f from yoda");
        assert!(self.hans.file("yoda_f") == self.bytes);
        assert_eq!(self.hans.names(), ["yoda_f"]);
    }

    /// The network is good again, and so all comes to a good end.
    pub(super) fn mend(&mut self) {
        self.network.set(Weather::Fair);
        self.finish();
    }

    /// What hans has of the file, and how much, once that is something.
    pub(super) fn partial(&mut self) -> (String, u64) {
        until("something of the file to be stored", || {
            self.server.raw().hello();
            let name = self.hans.names().into_iter().find(|name| name.starts_with(".forum-yoda_f."))?;
            let size = std::fs::metadata(self.hans.path(&name)).ok()?.len();
            (size > 0).then_some((name, size))
        })
    }
}
