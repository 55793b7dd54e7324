//! Keys in, and the line as a person sees it.

use super::*;
use crate::line_editor::history::HISTORY_LINES_MAX;

fn type_text(editor: &mut Editor, text: &str) {
    for c in text.chars() {
        editor.press(Key::Char(c));
    }
}

fn press_all(editor: &mut Editor, keys: impl IntoIterator<Item = Key>) {
    for key in keys {
        assert_eq!(editor.press(key), Edit::Edited);
    }
}

/// The text with a bar where the cursor stands.
fn shown(editor: &Editor) -> String {
    let (text, cursor) = editor.visible();
    format!("{}|{}", &text[..cursor], &text[cursor..])
}

fn edited(text: &str, keys: impl IntoIterator<Item = Key>) -> String {
    let mut editor = Editor::default();
    type_text(&mut editor, text);
    press_all(&mut editor, keys);
    shown(&editor)
}

fn submitted(text: &str) -> Edit {
    Edit::Submitted(Zeroizing::new(text.to_owned()))
}

#[test]
fn keys_move_the_cursor() {
    assert_eq!(edited("abc", [Key::Left, Key::Left]), "a|bc");
    assert_eq!(edited("abc", [Key::Left, Key::Right, Key::Right]), "abc|");
    assert_eq!(edited("abc", [Key::Home, Key::Left]), "|abc");
    assert_eq!(edited("abc", [Key::Home, Key::End]), "abc|");
    assert_eq!(edited("one two-three", [Key::WordLeft]), "one two-|three");
    assert_eq!(edited("one two", [Key::WordLeft, Key::WordLeft, Key::WordLeft]), "|one two");
    assert_eq!(edited("one two", [Key::Home, Key::WordRight]), "one| two");
    assert_eq!(edited("one two", [Key::Home, Key::WordRight, Key::WordRight, Key::WordRight]), "one two|");
}

#[test]
fn keys_erase() {
    assert_eq!(edited("abc", [Key::Backspace]), "ab|");
    assert_eq!(edited("abc", [Key::Home, Key::Backspace]), "|abc");
    assert_eq!(edited("abc", [Key::Home, Key::Delete]), "|bc");
    assert_eq!(edited("abc", [Key::Delete]), "abc|");
    assert_eq!(edited("abc", [Key::Home, Key::EndOfInput]), "|bc");
    assert_eq!(edited("one two-three ", [Key::EraseWord]), "one |");
    assert_eq!(edited("one two", [Key::Home, Key::EraseWordRight]), "| two");
    assert_eq!(edited("abcd", [Key::Left, Key::Left, Key::KillLine]), "|");
    assert_eq!(edited("abcd", [Key::Left, Key::Left, Key::KillToEnd]), "ab|");
    assert_eq!(edited("abcd", [Key::Left, Key::KillLine, Key::Char('x'), Key::Yank]), "xabcd|");
}

#[test]
fn typing_happens_at_the_cursor() {
    assert_eq!(edited("ac", [Key::Left, Key::Char('b')]), "ab|c");
    assert_eq!(edited("", [Key::Char('語'), Key::Char('🙂')]), "語🙂|");
}

#[test]
fn what_looks_like_one_character_is_one() {
    // e with a combining acute accent; a family joined by zero-width joiners.
    assert_eq!(edited("ae\u{301}", [Key::Left]), "a|e\u{301}");
    assert_eq!(edited("ae\u{301}", [Key::Backspace]), "a|");
    assert_eq!(edited("👩\u{200d}👧x", [Key::Left, Key::Left]), "|👩\u{200d}👧x");
    assert_eq!(edited("👩\u{200d}👧", [Key::Home, Key::Delete]), "|");
    // Typed between two characters, an accent joins the one before it.
    assert_eq!(edited("ab", [Key::Left, Key::Char('\u{301}')]), "a\u{301}|b");
}

#[test]
fn enter_hands_out_the_line_and_starts_another() {
    let mut editor = Editor::default();
    type_text(&mut editor, "LST");
    assert_eq!(editor.press(Key::Enter), submitted("LST"));
    assert_eq!(shown(&editor), "|");
    assert_eq!(editor.press(Key::Enter), submitted(""));
}

#[test]
fn end_of_input_counts_on_an_empty_line_only() {
    let mut editor = Editor::default();
    type_text(&mut editor, "x");
    assert_eq!(editor.press(Key::EndOfInput), Edit::Edited);
    assert_eq!(editor.press(Key::Backspace), Edit::Edited);
    assert_eq!(editor.press(Key::EndOfInput), Edit::InputEnded);
}

#[test]
fn the_history_goes_up_and_down_and_keeps_the_draft() {
    let mut editor = Editor::default();
    for line in ["one", "two", "two", "  "] {
        editor.remember(line);
    }
    type_text(&mut editor, "draft");
    for (key, wanted) in [
        (Key::Down, "draft|"),
        (Key::Up, "two|"),
        (Key::Up, "one|"),
        (Key::Up, "one|"),
        (Key::Down, "two|"),
        (Key::Down, "draft|"),
        (Key::Down, "draft|"),
    ] {
        editor.press(key);
        assert_eq!(shown(&editor), wanted);
    }
}

#[test]
fn a_recalled_line_can_be_changed_without_changing_the_history() {
    let mut editor = Editor::default();
    editor.remember("one");
    press_all(&mut editor, [Key::Up, Key::Char('!')]);
    assert_eq!(editor.press(Key::Enter), submitted("one!"));
    press_all(&mut editor, [Key::Up]);
    assert_eq!(shown(&editor), "one|");
}

#[test]
fn the_history_is_bounded() {
    let mut editor = Editor::default();
    for n in 0..HISTORY_LINES_MAX + 10 {
        editor.remember(&n.to_string());
    }
    for _ in 0..2 * HISTORY_LINES_MAX {
        editor.press(Key::Up);
    }
    assert_eq!(shown(&editor), "10|");
}

#[test]
fn a_password_is_not_shown_not_killed_and_has_no_history() {
    let mut editor = Editor::default();
    editor.remember("LST");
    editor.devote(Purpose::Secret);
    type_text(&mut editor, "s3cret");
    assert_eq!(editor.visible(), ("", 0));
    press_all(&mut editor, [Key::Up, Key::KillLine]);
    type_text(&mut editor, "other");
    assert_eq!(editor.press(Key::Enter), submitted("other"));
    editor.devote(Purpose::Command);
    press_all(&mut editor, [Key::Yank]);
    assert_eq!(shown(&editor), "|");
}

#[test]
fn only_commands_are_completed() {
    let mut editor = Editor::default();
    type_text(&mut editor, "LS");
    assert_eq!(editor.press(Key::Complete), Edit::Complete);
    editor.type_in("T ");
    assert_eq!(shown(&editor), "LST |");
    for purpose in [Purpose::Answer, Purpose::Secret] {
        editor.devote(purpose);
        assert_eq!(editor.press(Key::Complete), Edit::Edited);
        assert_eq!(editor.press(Key::Enter), submitted(""));
    }
}

#[test]
fn half_a_password_never_becomes_half_a_command() {
    let mut editor = Editor::default();
    editor.devote(Purpose::Secret);
    type_text(&mut editor, "s3cr");
    editor.devote(Purpose::Command);
    assert_eq!(shown(&editor), "|");
}

#[test]
fn a_paste_stays_on_its_line_and_drives_nothing() {
    let paste = Key::Paste("LST\r\nX\x1b[2J\x03IT\ta\u{202e}\u{9b}b\n".to_owned().into());
    assert_eq!(edited("", [paste]), "LST X[2JIT\tab|");
}

#[test]
fn the_line_is_bounded() {
    let longest = "x".repeat(LINE_BYTES_MAX);
    let text = edited("", [Key::Paste(longest.clone().into()), Key::Char('y')]);
    assert_eq!(text, format!("{longest}|"));
    let mut editor = Editor::default();
    type_text(&mut editor, "ab");
    assert_eq!(editor.press(Key::Left), Edit::Edited);
    assert_eq!(
        editor.press(Key::Paste(longest.clone().into())),
        Edit::Cut,
        "what there is room for is in it"
    );
    assert_eq!(shown(&editor), format!("a{}|b", &longest[2..]));
}

/// Searches among some lines with these keys; the prompt, the line with its cursor, and what came of the last key.
fn search(keys: &[Key]) -> (Option<String>, String, Edit) {
    let mut editor = Editor::default();
    ["CRT a", "MSG a hello", "RDT a", "MSG b hallo"].iter().for_each(|line| editor.remember(line));
    type_text(&mut editor, "dra");
    let mut last = Edit::Edited;
    keys.iter().for_each(|key| last = editor.press(key.clone()));
    (editor.search_prompt(), shown(&editor), last)
}

#[test]
fn ctrl_r_finds_the_newest_line_with_what_is_typed_and_again_an_older_one() {
    let chars = |text: &str| text.chars().map(Key::Char).collect::<Vec<_>>();
    let searched = |typed: &str, then: &[Key]| search(&[&[Key::Search], &chars(typed)[..], then].concat());
    let (prompt, line, _) = searched("MSG", &[]);
    assert_eq!((prompt.as_deref(), line.as_str()), (Some("(search) 'MSG': "), "|MSG b hallo"));
    assert_eq!(searched("MSG", &[Key::Search]).1, "|MSG a hello");
    let (prompt, line, _) = searched("MSG", &[Key::Search, Key::Search]);
    assert_eq!((prompt.as_deref(), line.as_str()), (Some("(failed search) 'MSG': "), "|MSG a hello"));
    assert_eq!(searched("h", &chars("e")).1, "MSG a |hello");
    assert_eq!(searched("he", &[Key::Backspace]).1, "MSG b |hallo");
    assert_eq!(searched("", &[]).1, "dra|");
    let (prompt, _, came) = searched("RDT", &[Key::Enter]);
    assert_eq!((prompt, came), (None, submitted("RDT a")));
    for giving_up in [Key::GiveUp, Key::Interrupt] {
        assert_eq!(searched("RDT", &[giving_up]), (None, "dra|".to_owned(), Edit::Edited));
    }
    assert_eq!(searched("RDT", &[Key::End, Key::Char('!')]).1, "RDT a!|");
}

#[test]
fn the_history_is_not_searched_where_no_command_is_wanted() {
    for purpose in [Purpose::Answer, Purpose::Secret] {
        let mut editor = Editor::default();
        editor.remember("CRT a");
        editor.devote(purpose);
        assert_eq!(editor.press(Key::Search), Edit::Edited);
        assert_eq!(editor.search_prompt(), None);
    }
}
