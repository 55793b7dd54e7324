//! The real `forumd` on a port and in a directory of its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Client, Finished, Forum, Process, Wire, binaries, notice, tls, until};

/// The password for SHT, unless a test chooses another or none.
pub const ADMIN_PASSWORD: &str = "order66";

/// What forumd says, before its address, once it listens.
const LISTENING_ON: &str = "listening on ";

/// Where forumd listens unless a test says otherwise.
const ANY_PORT: &str = "127.0.0.1:0";

/// How a forumd is to be started.
#[derive(Debug, Clone)]
pub struct Forumd {
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    directory: Arc<TempDir>,
    names_data: bool,
    wrapper: Vec<OsString>,
}

impl Default for Forumd {
    fn default() -> Self {
        Self::new()
    }
}

impl Forumd {
    /// On a free port, in a fresh directory, with the harness's admin password and hashes that cost nothing.
    pub fn new() -> Self {
        Self::with_dear_hashes().args(&["--hash-memory-kib", "8", "--hash-iterations", "1"])
    }

    /// Like [`Forumd::new`], but with the hashes that forumd uses unless told otherwise.
    pub fn with_dear_hashes() -> Self {
        Self::bare().args(&["--listen", ANY_PORT]).env("FORUM_ADMIN_PASSWORD", ADMIN_PASSWORD)
    }

    /// With nothing but a fresh data directory.
    pub fn bare() -> Self {
        let directory = TempDir::new().expect("there is room for a directory");
        Self {
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            directory: Arc::new(directory),
            names_data: true,
            wrapper: Vec::new(),
        }
    }

    /// With nothing at all.
    pub fn without_data() -> Self {
        Self { names_data: false, ..Self::bare() }
    }

    /// With these arguments more.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: &[A]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// With TLS, and a certificate of its own making: see [`Forumd::certificates`].
    #[must_use]
    pub fn with_tls(self) -> Self {
        let directory = self.certificates();
        let made = [OsStr::new("tls"), OsStr::new("init"), directory.as_os_str()];
        Self::without_data().args(&made).run("").expect_success();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.join(name));
        let named =
            [OsStr::new("--tls-cert"), certificate.as_os_str(), OsStr::new("--tls-key"), key.as_os_str()];
        self.args(&named)
    }

    /// Where its certificate and key are, `cert.pem` and `key.pem`.
    pub fn certificates(&self) -> PathBuf {
        self.directory.path().join("tls")
    }

    /// With this in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Without a password for SHT.
    #[must_use]
    pub fn without_admin_password(mut self) -> Self {
        self.environment.remove(OsStr::new("FORUM_ADMIN_PASSWORD"));
        self
    }

    /// On the data of another one.
    #[must_use]
    pub fn on_data_of(mut self, other: &Self) -> Self {
        self.directory = Arc::clone(&other.directory);
        self
    }

    /// Started by another program, which gets forumd and its arguments as its last arguments and must `exec`
    /// it.
    #[must_use]
    pub fn under<A: AsRef<OsStr>>(mut self, wrapper: &[A]) -> Self {
        self.wrapper = wrapper.iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// A directory that lives as long as the server, for files beside its data.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Its data directory, which it makes itself.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts it, whatever comes of it. Its directory lives as long as `self`.
    pub fn process(&self) -> Process {
        Process::start(&mut self.command())
    }

    /// The whole command line, for a test that wants other pipes than those of [`Process`].
    pub fn command(&self) -> Command {
        let mut words = self.wrapper.clone();
        words.push(binaries::forumd().into());
        words.extend(self.arguments.iter().cloned());
        if self.names_data {
            words.push("--data".into());
            words.push(self.data().into());
        }
        let (program, arguments) = words.split_first().expect("at least forumd itself");
        let mut command = Command::new(program);
        command.args(arguments).env_remove("FORUM_ADMIN_PASSWORD").env("TZ", "UTC").envs(&self.environment);
        command
    }

    /// Runs it to its end, with this on its standard input.
    pub fn run(&self, input: &str) -> Finished {
        let mut process = self.process();
        process.write(input.as_bytes());
        process.finish()
    }

    /// Runs `forumd export`, `import`, `check` or `reset-password` on its data.
    pub fn admin<A: AsRef<OsStr>>(&self, arguments: &[A], input: &str) -> Finished {
        Self::bare().on_data_of(self).args(arguments).run(input)
    }

    /// Exports its data, all being well; the directory, which lies beside the data.
    pub fn export(&self, name: &str) -> PathBuf {
        let directory = self.directory().join(name);
        self.admin(&[OsStr::new("export"), directory.as_os_str()], "").expect_success();
        directory
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// It ends, or takes longer than the deadline.
    pub fn start(self) -> Server {
        let mut process = self.process();
        let address = listening(&mut process);
        Server { launch: self, process, address }
    }
}

/// Waits for the line that says where it listens.
fn listening(process: &mut Process) -> SocketAddr {
    process.stderr.find("`listening on`", |line| line.strip_prefix(LISTENING_ON)?.parse().ok())
}

/// A running forumd. It is killed when dropped.
pub struct Server {
    launch: Forumd,
    process: Process,
    address: SocketAddr,
}

impl Server {
    /// Starts one with the harness's defaults and these arguments more.
    pub fn start(arguments: &[&str]) -> Self {
        Forumd::new().args(arguments).start()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it was started.
    pub fn launch(&self) -> &Forumd {
        &self.launch
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end; its log is complete then.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let status = self.process.wait_exit();
        self.process.stderr.wait_end();
        status
    }

    /// Waits for its end, which must be one in peace.
    pub fn expect_exit_0(&mut self) {
        let status = self.wait_exit();
        assert!(status.success(), "forumd ended with {status}");
    }

    /// Ends it with SIGTERM and waits for its end.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.expect_exit_0();
    }

    /// Ends it with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait_exit();
    }

    /// From its next start on it is another one, on the same data.
    pub fn relaunch_as(&mut self, launch: Forumd) {
        self.launch = launch;
    }

    /// Starts it again, as it was, on its old data; on another port.
    pub fn start_again(&mut self) {
        self.process = self.launch.process();
        self.address = listening(&mut self.process);
    }

    /// Starts it again, as it was, on its old data and its old port, so that its clients find it.
    ///
    /// # Panics
    /// It does not listen there within [`DEADLINE`](crate::DEADLINE). A connection of another test may have been
    /// given the port meanwhile; that one ends.
    pub fn start_again_there(&mut self) {
        let there = OsString::from(self.address.to_string());
        for argument in self.launch.arguments.iter_mut().filter(|argument| *argument == ANY_PORT) {
            argument.clone_from(&there);
        }
        self.process = until("a server on its old port", || {
            let mut process = self.launch.process();
            let lines = std::iter::from_fn(|| process.stderr.next_line());
            let listens = lines.into_iter().any(|line| line.starts_with(LISTENING_ON));
            listens.then_some(process)
        });
    }

    /// Waits for a line of its log that contains `needle`, behind all that was waited for before.
    pub fn wait_log(&mut self, needle: &str) -> String {
        self.process.stderr.find(needle, |line| line.contains(needle).then(|| line.to_owned()))
    }

    /// Waits until a line that contains `needle` is in its log, wherever. It is for what is logged at a start: a
    /// thread of its own writes the log, before or after forumd says that it listens.
    pub fn logged(&self, needle: &str) -> String {
        self.process.stderr.among_all(needle)
    }

    /// All that it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.process.stderr.so_far()
    }

    /// The memory that it really uses, in bytes.
    pub fn rss_bytes(&self) -> usize {
        self.memory_bytes("VmRSS:")
    }

    /// The most memory that it ever used, in bytes.
    pub fn peak_rss_bytes(&self) -> usize {
        self.memory_bytes("VmHWM:")
    }

    fn memory_bytes(&self, what: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("it has memory");
        let kib = line.split_whitespace().next().and_then(|word| word.parse::<usize>().ok());
        kib.expect("a number of kB") * 1_024
    }

    /// How many files it stores for the users, whole ones and beginnings.
    pub fn stored_files(&self) -> usize {
        let files = std::fs::read_dir(self.launch.data().join("files"));
        files.map_or(0, |files| files.count())
    }

    /// A connection that has said nothing yet.
    pub fn raw(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// A connection that has said hello.
    pub fn wire(&self) -> Wire {
        let mut wire = self.raw();
        wire.hello();
        wire
    }

    /// A connection with TLS that has said nothing in it yet, by a client that trusts the server's certificate.
    pub fn tls(&self) -> Wire {
        let config = tls::trusting(&self.launch.certificates().join("cert.pem"));
        Wire::connect_tls(self.address, Arc::new(config), "localhost")
    }

    /// A connection with TLS that is logged in as `name`, new or not.
    pub fn tls_user(&self, name: &str) -> Wire {
        let mut wire = self.tls();
        wire.hello();
        wire.become_user(name);
        wire
    }

    /// A connection that is logged in as `name`, new or not.
    pub fn user(&self, name: &str) -> Wire {
        let mut wire = self.wire();
        wire.become_user(name);
        wire
    }

    /// Users who came in this order, and have seen each other come.
    pub fn online<const N: usize>(&self, names: [&str; N]) -> [Wire; N] {
        let mut wires = names.map(|name| self.user(name));
        for (index, wire) in wires.iter_mut().enumerate() {
            let later: Vec<_> = names[index + 1..].iter().map(|name| notice::logged_in(name)).collect();
            wire.expect_notices(&later);
        }
        wires
    }

    /// How a real client of this server is to be started.
    pub fn forum(&self) -> Forum {
        Forum::at(self.address)
    }

    /// A real client that signed up as `name`.
    pub fn sign_up(&self, name: &str) -> Client {
        self.forum().sign_up(name)
    }

    /// A real client that logged in as `name`.
    pub fn log_in(&self, name: &str) -> Client {
        self.forum().log_in(name)
    }
}
