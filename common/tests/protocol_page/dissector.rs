//! `docs/examples/forumd.lua` is the protocol for Wireshark. Its tables come from the code, as those of the protocol's page
//! do. That tshark reads a session with it is tested where there is a server: `tests/tests/dissector.rs`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use forum_common::wire::codes::CodeInfo;
use forum_common::wire::describe::PROTOCOL;
use forum_common::wire::info::FieldInfo;

const BEGIN: &str = "-- from the code\n";
const END: &str = "-- end\n";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("docs/examples/forumd.lua")
}

fn field(field: &FieldInfo) -> String {
    format!("\"{} {}{}\"", field.name, field.of, if field.optional { "?" } else { "" })
}

fn codes(name: &str, codes: &[CodeInfo]) -> String {
    let rows = codes.iter().map(|code| format!("    [{}] = \"{}\",\n", code.number, code.name));
    format!("local {name} = {{\n{}}}\n", rows.collect::<String>())
}

/// A row for each kind: its name, then its fields with their types.
fn tables() -> String {
    let mut tables = String::from("local KINDS = {\n");
    for message in PROTOCOL.groups.iter().flat_map(|group| group.messages) {
        let fields: Vec<String> = message.fields.iter().map(field).collect();
        let row = [vec![format!("\"{}\"", message.name)], fields].concat().join(", ");
        writeln!(tables, "    [0x{:02x}] = {{ {row} }},", message.kind).unwrap();
    }
    tables += "}\n";
    tables + &codes("REFUSALS", PROTOCOL.refusals) + &codes("CLOSINGS", PROTOCOL.closings)
}

#[test]
fn the_tables_of_the_dissector_are_what_the_code_says() {
    let script = fs::read_to_string(path()).expect("the script");
    let (head, rest) = script.split_once(BEGIN).expect("a beginning");
    let (_, tail) = rest.split_once(END).expect("an end");
    let wanted = format!("{head}{BEGIN}{}{END}{tail}", tables());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(), &wanted).expect("a place to write to");
    } else {
        let differs = script.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
        assert!(script == wanted, "UPDATE_DOCS=1 makes it so: {differs:#?}");
    }
}

#[test]
fn the_dissector_reads_every_type_of_a_field() {
    let script = fs::read_to_string(path()).expect("the script");
    for field in PROTOCOL.groups.iter().flat_map(|group| group.messages).flat_map(|message| message.fields) {
        assert!(script.contains(&format!("\nfunction READ.{}(", field.of)), "{}", field.of);
    }
}
