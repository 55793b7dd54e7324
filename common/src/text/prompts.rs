//! What people are asked.

/// Who logs in.
pub const USERNAME: &str = "Enter username: ";
/// The password of a known name.
pub const PASSWORD: &str = "Enter password: ";
/// The password of a new account, typed again; and a new password.
pub const CONFIRM_PASSWORD: &str = "Confirm password: ";
/// `passwd`: the present password.
pub const OLD_PASSWORD: &str = "Enter old password: ";
/// `passwd`: the next one.
pub const NEW_PASSWORD: &str = "Enter new password: ";

/// A server's certificate that is new or has changed.
pub const TRUST: &str = "Trust it from now on? y or n: ";

/// The password for a new account of this name.
pub fn new_account(name: &str) -> String {
    format!("Enter new password for {name}: ")
}

/// The right password of a user who is logged in elsewhere: is that session to end?
pub fn take_over_question(name: &str) -> String {
    format!("{name} is logged in elsewhere. End that session? y or n: ")
}

/// A command, until the first one was entered. It lists the forum's; `help` has the rest.
pub const FULL: &str =
    "Enter one of the following commands: CRT, MSG, DLT, EDT, LST, RDT, UPD, DWN, RMV, XIT, SHT: ";
/// The same where less room is.
pub const NARROW: &str = "Commands: CRT MSG DLT EDT LST RDT UPD DWN RMV XIT SHT, more with help: ";
/// Columns of a terminal from which on [`FULL`] is used.
pub const FULL_COLUMNS_MIN: usize = 100;
/// A command, from then on.
pub const SHORT: &str = "> ";
/// A command while there is no connection.
pub const NOT_CONNECTED: &str = "(not connected) > ";

/// The first prompt for a command on a terminal of so many columns.
pub fn first_command(columns: usize) -> &'static str {
    if columns < FULL_COLUMNS_MIN { NARROW } else { FULL }
}

/// A question of another user: would you talk privately?
pub fn private_question(from: &str) -> String {
    format!("{from} would like to private message, enter y or n: ")
}

/// A question of another user: would you take a file?
pub fn file_question(from: &str, file: &str, bytes: u64) -> String {
    format!("{from} would like to send you {file} ({bytes} bytes), enter y or n: ")
}

/// What a line says to a question, if it answers one.
pub fn answer(line: &str) -> Option<bool> {
    match line {
        "y" => Some(true),
        "n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_worded_as_the_contract_has_them() {
        assert_eq!(private_question("hans"), "hans would like to private message, enter y or n: ");
        assert_eq!(
            file_question("Yoda", "F", 1_234),
            "Yoda would like to send you F (1234 bytes), enter y or n: "
        );
        assert_eq!(take_over_question("yoda"), "yoda is logged in elsewhere. End that session? y or n: ");
        assert_eq!(new_account("yoda"), "Enter new password for yoda: ");
    }

    #[test]
    fn the_first_prompt_fits_the_terminal() {
        assert_eq!((first_command(99), first_command(100)), (NARROW, FULL));
        assert!(FULL.len() < FULL_COLUMNS_MIN && NARROW.len() < 80);
    }

    #[test]
    fn an_answer_is_one_letter_and_nothing_else() {
        assert_eq!(["y", "n"].map(answer), [Some(true), Some(false)]);
        for line in ["Y", "N", "yes", "no", " y", "y ", "yn", ""] {
            assert_eq!(answer(line), None, "{line:?}");
        }
    }
}
