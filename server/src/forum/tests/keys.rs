//! Keys: a change is made once, and its answer stands.

use super::*;

#[test]
fn a_change_with_a_key_is_made_once_and_asking_again_gives_the_first_answer() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    let post = || Change::Post { title: title("t"), text: text("x") };
    let first = table.apply_keyed(Some(0), Some(keyed(1, 7)), post()).unwrap();
    let answer = first.answer(table.log.last().unwrap());
    let again = table.apply_keyed(Some(0), Some(keyed(1, 7)), post()).unwrap();
    assert_eq!(again, Effect::Repeated(answer));
    assert_eq!(posts(&table, "t").len(), 1);
    let other_content = table.apply_keyed(Some(0), Some(keyed(1, 8)), post());
    assert_eq!(other_content, Err(Refused::KeyReused));
    // Keys are each account's own.
    assert!(matches!(table.apply_keyed(Some(1), Some(keyed(1, 7)), post()), Ok(Effect::Posted { .. })));
}

#[test]
fn a_refusal_by_the_log_is_the_answer_for_good() {
    let mut table = Table::with_users(1);
    let post = || Change::Post { title: title("t"), text: text("x") };
    let refused = Err(Refused::NoSuchThread(title("t")));
    assert_eq!(table.apply_keyed(Some(0), Some(keyed(1, 7)), post()), refused);
    table.create(0, "t").unwrap();
    assert_eq!(table.apply_keyed(Some(0), Some(keyed(1, 7)), post()), refused);
    assert!(posts(&table, "t").is_empty());
}

#[test]
fn the_oldest_result_of_an_account_makes_room_for_the_newest() {
    let mut table = Table::with_users(1);
    table.create(0, "t").unwrap();
    let post = || Change::Post { title: title("t"), text: text("x") };
    let keys = || 0..=RESULTS_MAX as u8;
    for key in keys() {
        table.apply_keyed(Some(0), Some(keyed(key, 7)), post()).unwrap();
    }
    let known = keys().filter(|key| table.forum.keys.find(AccountId(0), keyed(*key, 7)).is_some());
    assert_eq!(known.collect::<Vec<_>>(), keys().skip(1).collect::<Vec<_>>());
}
