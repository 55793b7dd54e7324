//! How fast a file goes to another process: by the transfer over UDP, and, to compare, over TCP, plain or with TLS, by the
//! simplest loop that does the same (read, send; receive, digest, write).
//!
//! `cargo run --release -p forum-peer --example udp_throughput [MEBIBYTES] [DIRECTORY]`: 1,024 MiB over the loopback,
//! in the directory for temporary files (`/dev/shm` leaves the disk out); `--help` tells of the rest. Both ends
//! are processes of their own. Prints a row of a table for each transport: the median of its runs, and the CPU
//! time that each end spent a gigabyte. Nothing is synced to disk by either. A copy that differs is an error.
//!
//! With `--netns` the ends are in two network namespaces; `lossy.sh` makes such, and loses packets between them.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "figures for people who run it by hand")]

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use forum_peer::original::Original;
use forum_peer::transport::content::FileSource;
use forum_peer::transport::socket::{Link, PeerSocket};
use forum_peer::transport::{Event, Offer, Receiver, Sender, Sink, Start, Token, driver};
use rustix::net::sockopt;
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const BLOCK_BYTES: usize = 64 << 10;
const TOKEN: [u8; 16] = *b"only a benchmark";
/// The transport that is ours. Any other is TCP with the congestion control of this name.
const UDP: &str = "udp";
/// In front of that name: with TLS as the server and its clients speak it.
const TLS: &str = "tls-";
/// Whom the certificate is for.
const NAME: &str = "localhost";

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["send", UDP, path, digest, address] => send_udp(path, digest, address.parse()?),
        ["send", congestion, path, _, address] => send_tcp(congestion, path, address.parse()?),
        ["receive", UDP, path, address] => receive_udp(path, address.parse()?),
        ["receive", congestion, path, address] => receive_tcp(congestion, path, address.parse()?),
        _ => compare(&Options::parse()),
    }
}

/// How fast a file goes over UDP, and over TCP.
#[derive(Debug, Parser)]
struct Options {
    /// Size of the file
    #[arg(default_value_t = 1_024)]
    mebibytes: usize,
    /// Where the file and its copy are [default: the directory for temporary files]
    directory: Option<PathBuf>,
    /// Runs of each transport
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Congestion controls of TCP to compare with, as in cubic or tls-cubic; `sysctl
    /// net.ipv4.tcp_available_congestion_control` knows
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "cubic")]
    tcp: Vec<String>,
    /// The network namespaces of the two ends; needs root
    #[arg(long, num_args = 2, value_names = ["SENDER", "RECEIVER"])]
    netns: Option<Vec<String>>,
    /// The receiver's address
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: Ipv4Addr,
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

fn compare(options: &Options) -> Result<()> {
    let directory = tempfile::tempdir_in(options.directory.clone().unwrap_or_else(env::temp_dir))?;
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let digest = write_original(&original, options.mebibytes)?;
    write_certificate(directory.path())?;
    let mut transports: Vec<(&str, Vec<(Work, Work)>)> = vec![(UDP, Vec::new())];
    transports.extend(options.tcp.iter().map(|congestion| (congestion.as_str(), Vec::new())));
    let count = transports.len();
    // The second would find the disk busy with the other's file; so they take turns.
    for turn in 0..options.runs as usize {
        for place in 0..count {
            let (transport, runs) = &mut transports[(turn + place) % count];
            runs.push(run(options, transport, &original, &copy, &digest)?);
        }
    }
    let megabytes = (options.mebibytes << 20) as f64 / 1e6;
    println!("| transport | MB/s | udp's times it | CPU s/GB: sender | receiver |\n|---|---|---|---|---|");
    let mut udp_rate = None;
    for (transport, mut runs) in transports {
        runs.sort_by(|(one, _), (other, _)| one.seconds.total_cmp(&other.seconds));
        let (sender, receiver) = runs[runs.len() / 2];
        let rate = megabytes / sender.seconds;
        let ratio = *udp_rate.get_or_insert(rate) / rate;
        let [sending, receiving] = [sender, receiver].map(|end| end.cpu_seconds / megabytes * 1e3);
        println!("| {transport} | {rate:.2} | {ratio:.2} | {sending:.2} | {receiving:.2} |");
    }
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

/// Writes a certificate and its key beside the file.
fn write_certificate(directory: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    fs::write(directory.join("certificate"), made.cert.der())?;
    fs::write(directory.join("key"), made.signing_key.serialize_der())?;
    Ok(())
}

/// The certificate beside this file.
fn certificate(path: &str) -> Result<CertificateDer<'static>> {
    Ok(CertificateDer::from(fs::read(Path::new(path).with_file_name("certificate"))?))
}

/// One transfer: what the sender and the receiver say of it.
fn run(
    options: &Options,
    transport: &str,
    original: &Path,
    copy: &Path,
    digest: &str,
) -> Result<(Work, Work)> {
    let [sending, receiving] = match options.netns.as_deref() {
        Some([sending, receiving]) => [Some(sending), Some(receiving)],
        _ => [None, None],
    };
    let mut receiver = end(receiving, &["receive", transport], copy, &[&options.address.to_string()])?;
    let mut said = BufReader::new(receiver.stdout.take().ok_or("no output")?);
    let address = line(&mut said)?;
    let mut sender = end(sending, &["send", transport], original, &[digest, address.trim()])?;
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

/// Starts one of the ends, in a network namespace if one is named.
fn end(netns: Option<&String>, what: &[&str], path: &Path, more: &[&str]) -> Result<Child> {
    let program = env::current_exe()?;
    let mut command = match netns {
        None => Command::new(program),
        Some(netns) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", netns]).arg(program);
            command
        }
    };
    Ok(command.args(what).arg(path).args(more).stdout(Stdio::piped()).spawn()?)
}

fn line(said: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    said.read_line(&mut line)?;
    Ok(line)
}

fn send_tcp(congestion: &str, path: &str, address: SocketAddr) -> Result<()> {
    let (file, mut stream) = (File::open(path)?, TcpStream::connect(address)?);
    let Some(congestion) = congestion.strip_prefix(TLS) else {
        sockopt::set_tcp_congestion(&stream, congestion)?;
        return Work::measure(|| {
            send(file, &mut stream)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            stream.read_exact(&mut [0; blake3::OUT_LEN])?;
            Ok(())
        });
    };
    sockopt::set_tcp_congestion(&stream, congestion)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate(path)?)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Work::measure(|| {
        let mut connection = ClientConnection::new(Arc::new(config), NAME.try_into()?)?;
        let mut stream = rustls::Stream::new(&mut connection, &mut stream);
        send(file, &mut stream)?;
        stream.conn.send_close_notify();
        stream.flush()?;
        stream.read_exact(&mut [0; blake3::OUT_LEN])?;
        Ok(())
    })
}

fn send(mut file: File, stream: &mut impl Write) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            count => stream.write_all(&block[..count])?,
        }
    }
}

fn receive_tcp(congestion: &str, path: &str, address: Ipv4Addr) -> Result<()> {
    let listener = TcpListener::bind((address, 0))?;
    println!("{}", listener.local_addr()?);
    let (mut stream, _) = listener.accept()?;
    let file = File::create(path)?;
    if !congestion.starts_with(TLS) {
        return Work::measure(|| Ok(receive(file, &mut stream)?));
    }
    let key = PrivateKeyDer::try_from(fs::read(Path::new(path).with_file_name("key"))?)?;
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate(path)?], key)?;
    Work::measure(|| {
        let mut connection = ServerConnection::new(Arc::new(config))?;
        receive(file, &mut rustls::Stream::new(&mut connection, &mut stream))?;
        Ok(())
    })
}

fn receive(mut file: File, stream: &mut (impl Read + Write)) -> io::Result<()> {
    let (mut hasher, mut block) = (blake3::Hasher::new(), vec![0; BLOCK_BYTES]);
    loop {
        let count = stream.read(&mut block)?;
        if count == 0 {
            break;
        }
        hasher.update(&block[..count]);
        file.write_all(&block[..count])?;
    }
    stream.write_all(hasher.finalize().as_bytes())
}

fn send_udp(path: &str, digest: &str, address: SocketAddr) -> Result<()> {
    let file = File::open(path)?;
    let digest = *blake3::Hash::from_hex(digest)?.as_bytes();
    let offer = Offer { size: file.metadata()?.len(), digest };
    let mut socket = PeerSocket::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?)?;
    Work::measure(|| {
        let sender =
            Sender::new(Instant::now(), &Token::new(TOKEN, 0), offer, FileSource::new(Original::new(file)?));
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

fn receive_udp(path: &str, address: Ipv4Addr) -> Result<()> {
    let mut socket = PeerSocket::new(UdpSocket::bind((address, 0))?)?;
    println!("{}", socket.local_addr()?);
    let mut file = Some(FileSink(File::create(path)?));
    Work::measure(|| {
        // Nobody is there yet: the first packet tells where the sender is.
        let nobody = socket.local_addr()?;
        let mut link = Link::new(Receiver::new(Instant::now(), &Token::new(TOKEN, 0))?, nobody);
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
