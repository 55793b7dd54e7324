//! The exact texts of the contract, one for each code at least.

use std::collections::BTreeSet;

use super::*;

fn user() -> UserName {
    UserName::parse("hans").unwrap()
}

fn title() -> Title {
    Title::parse("3331").unwrap()
}

fn file() -> FileName {
    FileName::parse("test.exe").unwrap()
}

/// Every rejection and its text.
fn all() -> Vec<(Rejection, &'static str)> {
    use Rejection as R;
    vec![
        (R::InvalidName, "Invalid name"),
        (R::InvalidText, "Invalid text"),
        (R::InvalidPasswordFormat, "Invalid password format"),
        (R::InvalidNumber, "Invalid number"),
        (R::InvalidTimestamp, "Invalid timestamp"),
        (R::PasswordsDiffer, "Passwords do not match"),
        (R::InvalidPassword, "Invalid password"),
        (R::BlockedNow, "Invalid password. Your account has been blocked. Please try again later"),
        (R::Blocked, "Your account is blocked due to multiple login failures. Please try again later"),
        (R::AlreadyLoggedIn(user()), "hans has already logged in"),
        (R::NameTaken(user()), "Username hans is taken"),
        (R::Busy, "Server busy. Please try again later"),
        (R::SlowDown, "Slow down. Please try again later"),
        (R::NoSpace, "No space left on the server. Nothing was changed"),
        (R::LimitReached(Limit::Threads, 100_000), "Limit reached: at most 100000 threads"),
        (R::LimitReached(Limit::Watches, 100), "Limit reached: at most 100 watched threads"),
        (R::IncorrectAdminPassword, "Incorrect password"),
        (R::TooManyAttempts, "Too many attempts. Please try again later"),
        (R::KeyReused, "This key was used for another command"),
        (R::Unknown, "Nobody can say whether this was done"),
        (R::ThreadExists(title()), "Thread 3331 exists"),
        (R::NoSuchThread(title()), "Thread 3331 does not exist"),
        (R::InvalidMessageNumber, "Invalid message number"),
        (R::NotYourMessage(Deed::Delete), "The message belongs to another user and cannot be deleted"),
        (R::NotYourMessage(Deed::Edit), "The message belongs to another user and cannot be edited"),
        (R::NotYourThread, "The thread was created by another user and cannot be removed"),
        (R::FileExists(file(), title()), "File test.exe already exists in Thread 3331"),
        (R::NoSuchFile(title()), "File does not exist in Thread 3331"),
        (R::RemovedDuringDownload(title()), "Thread 3331 was removed during the download"),
        (R::DigestDiffers, "The file was damaged on its way. Nothing was stored"),
        (R::TransferAborted, "The transfer was given up"),
        (R::TransferShort { arrived: 3, size: 5 }, "3 bytes of 5 arrived. Nothing was stored"),
        (R::FileInaccessible, "The server could not access the file"),
        (
            R::FileDamaged(file()),
            "The server's copy of test.exe is damaged. Ask its administrator to restore it",
        ),
        (R::NoProgress(file(), 60), "test.exe was given up: no progress for 60 seconds"),
        (R::MessageMoved, "The message has changed places. Read the thread again"),
        (R::AlreadyWatching(title()), "Already watching 3331"),
        (R::NotWatching(title()), "Not watching 3331"),
        (R::Away, "The forum can't take changes at the moment"),
        (R::InvalidUser, "Error. Invalid user"),
        (R::NoSuchUser(user()), "hans does not exist"),
        (R::NotToSelf(SelfDeed::Message), "Error. Cannot message self"),
        (R::NotToSelf(SelfDeed::Block), "Error. Cannot block self"),
        (R::NotToSelf(SelfDeed::Unblock), "Error. Cannot unblock self"),
        (R::NotToSelf(SelfDeed::CreateRoom), "Error. Cannot create a room with yourself"),
        (R::NotToSelf(SelfDeed::Send), "Error. Cannot send to self"),
        (R::BlockedByUser, "Your message could not be delivered as the recipient has blocked you"),
        (R::NotToAll, "Your message could not be delivered to some recipients"),
        (R::MailboxFull(user()), "hans's mailbox is full"),
        (R::AlreadyBlocked(user()), "Error. hans is already blocked"),
        (R::NotBlocked(user()), "Error. hans was not blocked"),
        (R::Offline(user()), "hans is offline"),
        (R::OfflineForPrivate(user()), "Error. hans is offline"),
        (R::RoomExists(1), "a separate room (ID: 1) already created for these users"),
        (R::NoSuchRoom, "The separate room does not exist"),
        (R::NotInRoom, "You are not in this separate room chat"),
        (R::AlreadyPrivate(user()), "Error. Private messaging to hans already enabled"),
        (R::NotPrivate(Some(user())), "Error. Private messaging to hans not enabled"),
        (R::NotPrivate(None), "Error. Private messaging not enabled"),
        (R::PeerTooSlow(user()), "hans reads too slowly. Your message was not delivered"),
        (R::SignUpClosed, "Sign-up is closed"),
        (R::Banned, "You are banned"),
    ]
}

#[test]
fn every_rejection_has_the_text_of_the_contract() {
    for (rejection, text) in all() {
        assert_eq!(rejection.to_string(), text);
    }
}

#[test]
fn every_code_has_a_rejection_and_every_rejection_its_code() {
    let codes: BTreeSet<u16> = all().iter().map(|(rejection, _)| rejection.code().number()).collect();
    let wanted: BTreeSet<u16> = Refusal::ALL.iter().map(|code| code.number()).collect();
    assert_eq!(codes, wanted);
    for (rejection, _) in all() {
        // Those of one name with their code are most; the others are worded in several ways.
        let name = format!("{rejection:?}");
        let name = name.split([' ', '(']).next().unwrap().to_owned();
        let several = [
            "TransferShort",
            "FileInaccessible",
            "FileDamaged",
            "NoProgress",
            "NoSuchUser",
            "OfflineForPrivate",
        ];
        assert!(name == rejection.code().name() || several.contains(&&*name), "{name}");
    }
}

#[test]
fn a_program_learns_limit_value_and_name_without_reading_the_text() {
    let limit = Rejection::LimitReached(Limit::Rooms, 5);
    assert_eq!((limit.limit(), limit.value()), (Some(Limit::Rooms), Some(5)));
    assert_eq!(Rejection::RoomExists(7).value(), Some(7));
    assert_eq!(Rejection::NoSuchUser(user()).name(), Some(&user()));
    let text = limit.to_string();
    let reply = limit.reply(&text);
    assert!(matches!(reply, Reply::Refused { code: Refusal::LimitReached, value: Some(5), .. }), "{reply:?}");
}
