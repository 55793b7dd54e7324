//! Measures what docs/perf/COUNTING.md states: how often the disk is waited for, what memory a greedy connection takes, what it costs
//! to bring a file from one user to another, and how long others wait beside what is large.
//!
//! `cargo run --release -p forum-tests --example measure -- SCENARIO [--server PATH]`
//!
//! Every figure comes from three runs, each against a forumd of its own with fresh data below `$TMPDIR`, and
//! is shown as median (least to most). CPU time and memory come from /proc, syncs from strace. How forumd
//! works inside is not known here.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "figures for people who run it by hand")]

mod beside;
mod handshakes;

use std::io::Write;
use std::iter::repeat_n;
use std::time::Instant;
use std::{array, fs, thread};

use forum_common::wire::{Reply, Request};
use forum_tests::{Forum, Forumd, Nat, Server, Wire, read};

const RUNS: usize = 3;
const MIB: f64 = 1_048_576.0;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (scenario, program) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [scenario] => (scenario, None),
        [scenario, "--server", path] => (scenario, Some(path)),
        _ => ("", None),
    };
    match scenario {
        "commits" => commits(program),
        "pipelined-reads" => pipelined_reads(program),
        "files" => files(program),
        "in-flight" => beside::in_flight(program),
        "removal" => beside::removal(program),
        "search" => beside::search(program),
        "unread" => beside::unread(program),
        "log-ins" => beside::log_ins(program),
        "handshakes" => handshakes::stalled_handshakes(program),
        _ => panic!(
            "usage: measure commits|pipelined-reads|files|in-flight|removal|search|unread|log-ins|handshakes \
             [--server PATH]"
        ),
    }
}

/// A forumd that hashes cheaply and logs little; without `program`, that of this tree, which the harness
/// builds. A `wrapper` that is not empty starts it.
fn forumd(program: Option<&str>, arguments: &[&str], wrapper: &[&str]) -> Forumd {
    let mut wrapper = wrapper.to_vec();
    if let Some(program) = program {
        // The harness appends the path of its own forumd, which is shifted away.
        wrapper.extend(["sh", "-c", r#"shift; exec "$0" "$@""#, program]);
    }
    Forumd::new().args(&["--hash-queue", "20000", "-q"]).args(arguments).under(&wrapper)
}

/// Posts `count` messages of `bytes` bytes, `at_once` in one piece before their answers are read.
fn post(client: &mut Wire, title: &str, count: usize, bytes: usize, at_once: usize) {
    let text = "x".repeat(bytes);
    for start in (0..count).step_by(at_once) {
        let share = at_once.min(count - start);
        client.send_all(repeat_n(Request::Post { title, text: &text, key: None }, share));
        client.take_answers(share, |reply| matches!(reply, Reply::Posted { .. }));
    }
}

const POSTS: usize = 10_000;

/// 50 clients post 10,000 messages of 100 bytes in all, each sending some at once and then waiting for the
/// answers: how often must the disk be waited for, and how long does it take?
fn commits(program: Option<&str>) {
    println!("| at once, of each client | syncs | posts a sync | posts/s | server's CPU, µs a post |");
    for at_once in [1, 32, 200] {
        let runs = array::from_fn::<_, RUNS, _>(|_| {
            let directory = tempfile::tempdir().expect("there is room for a directory");
            let calls = directory.path().join("calls");
            // strace stops the server at these calls and no others. Still they get slower, and so batches
            // larger; times come from a run without it. -D makes it a process beside forumd, not above it.
            let strace = "strace -D -f --seccomp-bpf -qq -e trace=fsync,fdatasync -o".split(' ');
            let strace: Vec<&str> = strace.chain(calls.to_str()).collect();
            // Of a call that it shows in two halves, only the first has its name and the bracket.
            let syncs_so_far = |_: &Server| {
                fs::read_to_string(&calls).expect("strace writes it").matches("sync(").count() as f64
            };
            let (_, syncs) = post_from_all(&forumd(program, &[], &strace), at_once, syncs_so_far);
            let (seconds, cpu) =
                post_from_all(&forumd(program, &[], &[]), at_once, |server| cpu_seconds(server.pid()));
            [syncs, POSTS as f64 / syncs, POSTS as f64 / seconds, cpu * 1e6 / POSTS as f64]
        });
        show(&at_once.to_string(), runs);
    }
}

/// The seconds that the posts take, and how much higher `counter` is behind them than before.
fn post_from_all(forumd: &Forumd, at_once: usize, counter: impl Fn(&Server) -> f64) -> (f64, f64) {
    const CLIENTS: usize = 50;
    let server = forumd.clone().start();
    server.user("yoda").done(&Request::CreateThread { title: "t", key: None });
    let clients: Vec<Wire> = (0..CLIENTS).map(|number| server.user(&format!("user{number}"))).collect();
    let (before, start) = (counter(&server), Instant::now());
    thread::scope(|scope| {
        for mut client in clients {
            scope.spawn(move || post(&mut client, "t", POSTS / CLIENTS, 100, at_once));
        }
    });
    (start.elapsed().as_secs_f64(), counter(&server) - before)
}

/// One client asks 5,000 times for a thread of 2,000 messages of 1,000 bytes before it reads the first
/// answer, and then reads all 10 GB: what does the server keep in memory, and do others have to wait?
fn pipelined_reads(program: Option<&str>) {
    println!("| | growth unread, MiB | growth in all, MiB | all read, s | another's ping, µs | its 99 % |");
    let runs = array::from_fn::<_, RUNS, _>(|_| {
        let server = forumd(program, &["--durability", "none"], &[]).start();
        let mut yoda = server.user("yoda");
        yoda.done(&Request::CreateThread { title: "t", key: None });
        post(&mut yoda, "t", 2_000, 1_000, 100);
        read_late(&server, server.user("greedy"), yoda)
    });
    show("5,000 RDT", runs);
}

fn read_late(server: &Server, mut greedy: Wire, mut other: Wire) -> [f64; 5] {
    let mut writer = greedy.stream();
    // 5 makes the kernel forget the peak so far: proc(5).
    fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").expect("it runs");
    let peak = || proc_bytes(server, "status", "VmHWM:") / MIB;
    let before = peak();
    // The server may stop reading from who does not read: the requests need a thread of their own.
    let (_, requests) = greedy.frames(repeat_n(read("t", None), 5_000));
    let writing = thread::spawn(move || writer.write_all(&requests));
    let mut pings: Vec<f64> = (0..2_000).map(|_| micros(|| other.ping())).collect();
    let unread = peak() - before;
    let start = Instant::now();
    for _ in 0..5_000 {
        let mut wanted = 1..;
        greedy.take_answers(2_000, |reply| match reply {
            Reply::PostItem { number, text, .. } => Some(*number) == wanted.next() && text.len() == 1_000,
            _ => false,
        });
        greedy.take_answers(1, |reply| *reply == Reply::EndOfList { next: None });
        pings.push(micros(|| other.ping()));
    }
    let seconds = start.elapsed().as_secs_f64();
    writing.join().expect("it has no bugs").expect("the server took all requests");
    [unread, peak() - before, seconds, quantile(&pings, 50), quantile(&pings, 99)]
}

/// Bytes of the file that one user brings another.
const FILE_BYTES: usize = 1 << 30;

/// How a file gets from one user to another.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// From client to client.
    Direct,
    /// The same, by way of the server, since the two can't reach each other.
    Relayed,
    /// Uploaded to a thread, and downloaded from it.
    Thread,
}

/// One user brings another a file of 1 GiB, with the real client at both ends: what does it take, of whom?
fn files(program: Option<&str>) {
    let mut content = vec![0; FILE_BYTES];
    fastrand::Rng::with_seed(1).fill(&mut content);
    println!("| 1 GiB | MB/s | sender's CPU, s a GB | receiver's | server's |");
    for way in [Way::Direct, Way::Relayed, Way::Thread] {
        show(&format!("{way:?}"), array::from_fn::<_, RUNS, _>(|_| brought(program, way, &content)));
    }
}

fn brought(program: Option<&str>, way: Way, content: &[u8]) -> [f64; 4] {
    let server = forumd(program, &["--durability", "none"], &[]).start();
    let nat = Nat::before(server.address());
    // If only one of the two were hidden, that one would find the other.
    let address = if matches!(way, Way::Relayed) { nat.address() } else { server.address() };
    let mut sender = Forum::at(address).sign_up("yoda");
    let mut receiver = Forum::at(address).args(&["--accept", "always"]).sign_up("hans");
    sender.hears("hans logged in");
    sender.put_file("f", content);
    sender.does("CRT t", "Thread t created");
    let pids = [sender.pid(), receiver.pid(), server.pid()];
    let (before, start) = (pids.map(cpu_seconds), Instant::now());
    let name_there = match way {
        Way::Direct | Way::Relayed => {
            sender.says("UDP hans f");
            let (sent, received) = ("f has been uploaded", "Received f from yoda");
            while sender.line() != sent {}
            while receiver.line() != received {}
            "yoda_f"
        }
        Way::Thread => {
            sender.does("UPD t f", "f uploaded to t thread");
            receiver.does("DWN t f", "f successfully downloaded");
            "f"
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let gigabytes = FILE_BYTES as f64 / 1e9;
    let [sender_cpu, receiver_cpu, server_cpu] =
        array::from_fn(|at| (cpu_seconds(pids[at]) - before[at]) / gigabytes);
    assert!(receiver.file(name_there) == content, "what arrived is not what was sent");
    [gigabytes * 1e3 / seconds, sender_cpu, receiver_cpu, server_cpu]
}

fn micros(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6
}

/// The seconds that all threads of a process have computed so far.
fn cpu_seconds(pid: u32) -> f64 {
    let nanos_of = |task: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    tasks.map(|task| nanos_of(task).expect("a kernel with CONFIG_SCHED_INFO")).sum::<f64>() / 1e9
}

fn proc_bytes(server: &Server, file: &str, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/{file}", server.pid())).expect("it runs");
    let (_, rest) = text.split_once(field).expect("a field of Linux");
    let kib = rest.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    kib.expect("a number of kB") * 1_024.0
}

/// Shows the figures of several runs as a row of a table, each as median (least to most).
fn show<const N: usize>(label: &str, runs: [[f64; N]; RUNS]) {
    let columns = array::from_fn::<_, N, _>(|column| {
        let figures = runs.map(|figures| figures[column]);
        let [median, least, most] = [50, 0, 100].map(|percent| quantile(&figures, percent));
        let digits = if median < 100.0 { 2 } else { 0 };
        format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
    });
    println!("| {label} | {} |", columns.join(" | "));
}

/// The figure that so many percent of the others don't exceed.
fn quantile(figures: &[f64], percent: usize) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) * percent / 100]
}
