//! For any changes, a replay and a snapshot give an equal forum, and what is refused leaves it as it was.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn replaying_the_log_gives_an_equal_forum(changes in proptest::collection::vec((any_change(), any_key()), 0..200)) {
        let mut table = Table::with_users(4);
        for ((actor, change), key) in changes {
            let checked = table.forum.check(actor.map(AccountId), &change);
            let is_repeated =
                actor.zip(key).is_some_and(|(actor, key)| table.forum.keys.find(AccountId(actor), key).is_some());
            let known_actor = actor.is_some();
            let result = table.apply_keyed(actor, key, change);
            if known_actor && !is_repeated {
                // What the check before proposing says is what apply decides on the same state.
                prop_assert_eq!(checked.is_ok(), result.is_ok());
            }
        }
        let mut replayed = Forum::default();
        for entry in &table.log {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            let decoded = Entry::decode(&bytes).unwrap();
            prop_assert_eq!(&decoded, entry);
            let _ = replayed.apply(&decoded);
        }
        prop_assert_eq!(replayed.state_hash(), table.forum.state_hash());

        // A forum restored from its records is equal too, whichever encoding they went through.
        let (mut binary, mut json) = (Restorer::default(), Restorer::default());
        for record in table.forum.records() {
            let bytes = postcard::to_stdvec(&record).unwrap();
            binary.take(postcard::from_bytes(&bytes).unwrap()).unwrap();
            let line = serde_json::to_string(&record).unwrap();
            json.take(serde_json::from_str(&line).unwrap()).unwrap();
        }
        prop_assert_eq!(binary.finish().state_hash(), table.forum.state_hash());
        let json = json.finish();
        prop_assert_eq!(json.state_hash(), table.forum.state_hash());
        for n in 0..4 {
            let (a, b) = (&json.accounts[AccountId(n)], &table.forum.accounts[AccountId(n)]);
            prop_assert_eq!(a.file_bytes, b.file_bytes);
        }
    }

    #[test]
    fn a_refused_change_changes_nothing(changes in proptest::collection::vec(any_change(), 0..60)) {
        let mut table = Table::with_users(4);
        for (actor, change) in changes {
            let before = table.forum.kept.clone();
            if table.apply(actor, change).is_err() {
                let mut before = before;
                before.at_ms = table.forum.at_ms();
                prop_assert_eq!(before.state_hash(), table.forum.state_hash());
            }
        }
    }

    #[test]
    fn no_bytes_make_the_entry_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::decode(&bytes);
    }
}
