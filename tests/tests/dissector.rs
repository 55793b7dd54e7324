//! Wireshark's dissector (`docs/examples/forumd.lua`) reads a recorded session as the server does. It needs `tshark`.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Request, VERSION, frame};
use forum_tests::{DEADLINE, PASSWORD, Server, workspace};
use tempfile::TempDir;

/// Segments of so many bytes: frames begin and end in the middle of them.
const SEGMENT_BYTES: usize = 17;
const CLIENT_PORT: u16 = 40_000;
const SERVER_PORT: u16 = 4_000;

/// What was said in a session, each way.
struct Session {
    by_client: Vec<u8>,
    by_server: Vec<u8>,
}

fn record() -> Session {
    let server = Server::start(&[]);
    let mut by_client = Vec::new();
    for (tag, request) in (1..).zip([
        Request::ClientHello { version: VERSION, client: "recorded", presence: false },
        Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None },
        Request::SignUp { password: PASSWORD, confirmation: PASSWORD },
        Request::CreateThread { title: "t", key: Some([7; 16]) },
        Request::Post { title: "t", text: "Do or do not. There is no “try”.", key: None },
        Request::ReadThread {
            title: "t",
            range: Some((1, 1)),
            after: None,
            at_most: None,
            last: None,
            unread: None,
        },
        Request::DeletePost { title: "t", number: 7, id: None, key: None },
        Request::LogOut,
    ]) {
        request.encode(tag, &mut by_client);
    }
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&by_client).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut by_server = Vec::new();
    stream.read_to_end(&mut by_server).unwrap();
    Session { by_client, by_server }
}

/// The kinds of all frames, in order.
fn kinds(bytes: &[u8]) -> Vec<String> {
    let mut rest = bytes;
    let mut kinds = Vec::new();
    while let Some((frame, used)) = frame::split(rest, FRAME_BYTES_MAX).unwrap() {
        kinds.push(format!("0x{:02x}", frame.kind));
        rest = &rest[used..];
    }
    assert!(rest.is_empty(), "{rest:?}");
    kinds
}

/// An IPv4 packet with this segment of a TCP connection.
fn packet(ports: [u16; 2], sequence: usize, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = Vec::new();
    ports.iter().for_each(|port| tcp.extend(port.to_be_bytes()));
    tcp.extend((sequence as u32).to_be_bytes());
    tcp.extend(1_u32.to_be_bytes());
    // Twenty bytes of header; PSH and ACK; a window; neither a checksum nor urgent data.
    tcp.extend([5 << 4, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend(bytes);
    let length = (20 + tcp.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    packet.extend(tcp);
    packet
}

/// A capture file of all that was said: first by the client, then by the server.
fn write_capture(session: &Session, path: &Path) {
    const RAW_IP: u32 = 101;
    let header: [u32; 6] = [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, RAW_IP];
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (bytes, ports) in
        [(&session.by_client, [CLIENT_PORT, SERVER_PORT]), (&session.by_server, [SERVER_PORT, CLIENT_PORT])]
    {
        for (number, segment) in bytes.chunks(SEGMENT_BYTES).enumerate() {
            let packet = packet(ports, 1 + number * SEGMENT_BYTES, segment);
            let record = [0, 0, packet.len() as u32, packet.len() as u32];
            file.extend(record.iter().flat_map(|word| word.to_le_bytes()));
            file.extend(packet);
        }
    }
    std::fs::write(path, file).unwrap();
}

/// What tshark shows of these fields, a line a packet that has any.
fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let script = workspace().join("docs/examples/forumd.lua");
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).arg("-X").arg(format!("lua_script:{}", script.display()));
    command.args(["-d", &format!("tcp.port=={SERVER_PORT},forumd"), "-Y", filter, "-T", "fields"]);
    fields.iter().for_each(|field| _ = command.args(["-e", field]));
    let output = command.output().expect("this test needs tshark (apt-get install tshark)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("Lua"), "{said}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn tshark_reads_each_frame_of_a_recorded_session() {
    let session = record();
    let directory = TempDir::new().unwrap();
    let capture = directory.path().join("session.pcap");
    write_capture(&session, &capture);
    for (port, bytes) in [(SERVER_PORT, &session.by_client), (CLIENT_PORT, &session.by_server)] {
        let shown = tshark(&capture, &format!("forumd && tcp.dstport=={port}"), &["forumd.kind"]);
        assert_eq!(shown.join(",").split(',').collect::<Vec<_>>(), kinds(bytes));
    }
    let shown = tshark(&capture, "forumd", &["forumd.field"]).join("\n");
    for text in ["yoda", "Do or do not. There is no “try”.", "Message posted to t thread", "1-1", "Goodbye"]
    {
        assert!(shown.contains(text), "no {text:?} in\n{shown}");
    }
    assert!(shown.contains("22 (InvalidMessageNumber)") && shown.contains(&"07".repeat(16)), "{shown}");
    assert_eq!(tshark(&capture, "forumd.cut || _ws.malformed", &["frame.number"]), Vec::<String>::new());
}
