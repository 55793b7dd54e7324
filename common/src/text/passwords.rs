//! Passwords that are asked for one after the other, until a request has all of them. A password is the line as it is.

use super::prompts;
use super::typed::Secret;
use crate::escape::for_terminal;
use crate::wire::Request;

/// The passwords of one log-in, sign-up or `passwd`, as far as they were typed.
#[derive(Debug, Clone)]
pub struct Passwords {
    purpose: Purpose,
    typed: Vec<Secret>,
}

#[derive(Debug, Clone)]
enum Purpose {
    LogIn,
    /// The name that is new.
    SignUp(String),
    Change,
}

impl Passwords {
    /// That of the account of this name; if it is new, one for it and its confirmation.
    pub fn for_login(name: &str, is_new: bool) -> Self {
        let purpose = if is_new { Purpose::SignUp(name.to_owned()) } else { Purpose::LogIn };
        Self { purpose, typed: Vec::new() }
    }

    /// The old one, the new one and its confirmation.
    pub fn for_change() -> Self {
        Self { purpose: Purpose::Change, typed: Vec::new() }
    }

    /// What asks for the next one.
    pub fn prompt(&self) -> String {
        match (&self.purpose, self.typed.len()) {
            (Purpose::LogIn, _) => prompts::PASSWORD.to_owned(),
            (Purpose::SignUp(name), 0) => prompts::new_account(&for_terminal(name)),
            (Purpose::Change, 0) => prompts::OLD_PASSWORD.to_owned(),
            (Purpose::Change, 1) => prompts::NEW_PASSWORD.to_owned(),
            (Purpose::SignUp(_) | Purpose::Change, _) => prompts::CONFIRM_PASSWORD.to_owned(),
        }
    }

    /// Takes the next one.
    pub fn take(&mut self, password: Secret) {
        debug_assert!(self.request().is_none(), "nothing more was asked for");
        self.typed.push(password);
    }

    /// The request that needs them, once all are there.
    pub fn request(&self) -> Option<Request<'_>> {
        match (&self.purpose, &self.typed[..]) {
            (Purpose::LogIn, [password]) => Some(Request::Password { password }),
            (Purpose::SignUp(_), [password, confirmation]) => {
                Some(Request::SignUp { password, confirmation })
            }
            (Purpose::Change, [old, new, confirmation]) => {
                Some(Request::ChangePassword { old, new, confirmation })
            }
            _ => None,
        }
    }

    /// The one that is right from then on.
    pub fn chosen(&self) -> Secret {
        let at = usize::from(matches!(self.purpose, Purpose::Change));
        self.typed.get(at).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types these; the prompts on the way.
    fn typed(mut passwords: Passwords, lines: &[&str]) -> (Passwords, Vec<String>) {
        let mut prompts = Vec::new();
        for line in lines {
            assert_eq!(passwords.request(), None, "{prompts:?}");
            prompts.push(passwords.prompt());
            passwords.take(Secret::new((*line).to_owned()));
        }
        (passwords, prompts)
    }

    #[test]
    fn each_purpose_asks_for_its_passwords_in_order_and_then_has_its_request() {
        let (log_in, prompts) = typed(Passwords::for_login("yoda", false), &[" jedi "]);
        assert_eq!(prompts, ["Enter password: "]);
        assert_eq!(log_in.request(), Some(Request::Password { password: " jedi " }));
        let (sign_up, prompts) = typed(Passwords::for_login("yo\u{7}da", true), &["a", "b"]);
        assert_eq!(prompts, ["Enter new password for yo\\u{7}da: ", "Confirm password: "]);
        assert_eq!(sign_up.request(), Some(Request::SignUp { password: "a", confirmation: "b" }));
        let (change, prompts) = typed(Passwords::for_change(), &["a", "b", "c"]);
        assert_eq!(prompts, ["Enter old password: ", "Enter new password: ", "Confirm password: "]);
        assert_eq!(change.request(), Some(Request::ChangePassword { old: "a", new: "b", confirmation: "c" }));
        let chosen = [log_in, sign_up, change].map(|passwords| passwords.chosen().to_string());
        assert_eq!(chosen, [" jedi ", "a", "b"]);
    }
}
