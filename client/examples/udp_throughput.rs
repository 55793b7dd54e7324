//! How fast a file goes to another process over the loopback: by the transfer over UDP, and, to compare, over
//! plain TCP by the simplest loop that does the same (read, send; receive, digest, write).
//!
//! `cargo run --release -p forum --example udp_throughput [MEBIBYTES] [DIRECTORY]`: 1,024 MiB, in the directory
//! for temporary files (`/dev/shm` leaves the disk out). Both ends are processes of their own. Prints the median of three runs of each, and the CPU
//! time that each end spent a gigabyte. Nothing is synced to disk by either.
#![forbid(unsafe_code)]

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use forum_client::peer::udp::content::FileSource;
use forum_client::peer::udp::socket::{Link, PeerSocket};
use forum_client::peer::udp::{Event, Offer, Receiver, Sender, Sink, Start, Token, driver};
use rustix::time::{ClockId, clock_gettime};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const RUNS: usize = 3;
const BLOCK_BYTES: usize = 64 << 10;
const TOKEN: [u8; 16] = *b"only a benchmark";

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["send", "tcp", path, _, address] => send_tcp(path, address.parse()?),
        ["send", "udp", path, digest, address] => send_udp(path, digest, address.parse()?),
        ["receive", "tcp", path] => receive_tcp(path),
        ["receive", "udp", path] => receive_udp(path),
        [] => compare(1_024, &env::temp_dir()),
        [mebibytes] => compare(mebibytes.parse()?, &env::temp_dir()),
        [mebibytes, directory] => compare(mebibytes.parse()?, Path::new(directory)),
        _ => Err("usage: udp_throughput [MEBIBYTES] [DIRECTORY]".into()),
    }
}

/// What one end says of its work.
#[derive(Debug, Clone, Copy)]
struct Work {
    seconds: f64,
    cpu_seconds: f64,
}

impl Work {
    /// Measures what `work` takes, and prints it for the parent.
    fn measure(work: impl FnOnce() -> Result<()>) -> Result<()> {
        let (started, cpu) = (Instant::now(), cpu_seconds());
        work()?;
        println!("{} {}", started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        Ok(())
    }

    fn parse(line: &str) -> Result<Self> {
        let (seconds, cpu_seconds) = line.trim().split_once(' ').ok_or("no measurement")?;
        Ok(Self { seconds: seconds.parse()?, cpu_seconds: cpu_seconds.parse()? })
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn compare(mebibytes: usize, directory: &Path) -> Result<()> {
    let directory = tempfile::tempdir_in(directory)?;
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let digest = write_original(&original, mebibytes)?;
    let gigabytes = (mebibytes << 20) as f64 / 1e9;
    println!("{mebibytes} MiB over the loopback, medians of {RUNS}");
    let mut rates = Vec::new();
    let (mut tcp, mut udp) = (Vec::new(), Vec::new());
    // Whoever comes second finds the disk busy with the other's file; so they take turns.
    for turn in 0..RUNS {
        let order = if turn % 2 == 0 { ["tcp", "udp"] } else { ["udp", "tcp"] };
        for transport in order {
            let runs = if transport == "tcp" { &mut tcp } else { &mut udp };
            runs.push(run(transport, &original, &copy, &digest)?);
        }
    }
    for (transport, mut runs) in [("tcp", tcp), ("udp", udp)] {
        runs.sort_by(|(one, _), (other, _)| one.seconds.total_cmp(&other.seconds));
        let (sender, receiver) = runs[RUNS / 2];
        let rate = gigabytes / sender.seconds;
        let (sending, receiving) = (sender.cpu_seconds / gigabytes, receiver.cpu_seconds / gigabytes);
        println!("{transport}: {rate:.2} GB/s; CPU s/GB: sender {sending:.2}, receiver {receiving:.2}");
        rates.push(rate);
    }
    println!("udp / tcp: {:.2}", rates[1] / rates[0]);
    Ok(())
}

/// Writes a file that does not repeat itself. Returns its digest, in hex.
fn write_original(path: &Path, mebibytes: usize) -> Result<String> {
    let (mut file, mut hasher) = (File::create(path)?, blake3::Hasher::new());
    let mut content = blake3::Hasher::new().finalize_xof();
    let mut block = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        content.fill(&mut block);
        hasher.update(&block);
        file.write_all(&block)?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// One transfer: what the sender and the receiver say of it.
fn run(transport: &str, original: &Path, copy: &Path, digest: &str) -> Result<(Work, Work)> {
    let mut receiver = end(&["receive", transport], copy, &[])?;
    let mut said = BufReader::new(receiver.stdout.take().ok_or("no output")?);
    let address = line(&mut said)?;
    let mut sender = end(&["send", transport], original, &[digest, address.trim()])?;
    let mut sender_said = BufReader::new(sender.stdout.take().ok_or("no output")?);
    let measured = (Work::parse(&line(&mut sender_said)?)?, Work::parse(&line(&mut said)?)?);
    sender.wait()?;
    receiver.wait()?;
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut File::open(copy)?, &mut hasher)?;
    if hasher.finalize().to_hex().as_str() != digest {
        return Err("the copy differs".into());
    }
    fs::remove_file(copy)?;
    Ok(measured)
}

fn end(what: &[&str], path: &Path, more: &[&str]) -> Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    Ok(command.args(what).arg(path).args(more).stdout(Stdio::piped()).spawn()?)
}

fn line(said: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    said.read_line(&mut line)?;
    Ok(line)
}

fn send_tcp(path: &str, address: SocketAddr) -> Result<()> {
    let (mut file, mut stream) = (File::open(path)?, TcpStream::connect(address)?);
    Work::measure(|| {
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let count = file.read(&mut block)?;
            if count == 0 {
                break;
            }
            stream.write_all(&block[..count])?;
        }
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read_exact(&mut [0; blake3::OUT_LEN])?;
        Ok(())
    })
}

fn receive_tcp(path: &str) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    let (mut stream, _) = listener.accept()?;
    let (mut file, mut hasher) = (File::create(path)?, blake3::Hasher::new());
    Work::measure(|| {
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let count = stream.read(&mut block)?;
            if count == 0 {
                break;
            }
            hasher.update(&block[..count]);
            file.write_all(&block[..count])?;
        }
        stream.write_all(hasher.finalize().as_bytes())?;
        Ok(())
    })
}

fn socket() -> Result<PeerSocket> {
    Ok(PeerSocket::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?)?)
}

fn send_udp(path: &str, digest: &str, address: SocketAddr) -> Result<()> {
    let file = File::open(path)?;
    let digest = *blake3::Hash::from_hex(digest)?.as_bytes();
    let offer = Offer { size: file.metadata()?.len(), digest };
    let mut socket = socket()?;
    Work::measure(|| {
        let sender = Sender::new(Instant::now(), &Token::new(TOKEN), offer, FileSource::new(file));
        let mut link = Link::new(sender, address);
        driver::run(&mut socket, &mut link, |_, _, event| match event {
            Event::Done => ControlFlow::Break(()),
            Event::Failed(failure) => panic!("{failure:?}"),
            Event::Started { .. } | Event::Offered(_) => ControlFlow::Continue(()),
        })?;
        Ok(())
    })
}

struct FileSink(File);

impl Sink for FileSink {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn receive_udp(path: &str) -> Result<()> {
    let mut socket = socket()?;
    println!("{}", socket.local_addr()?);
    let mut file = Some(FileSink(File::create(path)?));
    Work::measure(|| {
        // Nobody is there yet: the first packet tells where the sender is.
        let nobody = socket.local_addr()?;
        let mut link = Link::new(Receiver::new(Instant::now(), &Token::new(TOKEN)), nobody);
        driver::run(&mut socket, &mut link, |receiver, now, event| {
            match event {
                Event::Offered(_) => receiver.accept(now, Start::afresh(), file.take().expect("one offer")),
                Event::Failed(failure) => panic!("{failure:?}"),
                Event::Started { .. } | Event::Done => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    })
}
