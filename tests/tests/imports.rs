//! No import circle: what a file uses never leads back to that file. A room and what is inside it count as one: a
//! `mod` may use its parts, and they may use what it defines.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use forum_tests::workspace;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// The sources that are looked at.
const SOURCES: [&str; 2] = ["common/src", "server/src"];

type ModulePath = Vec<String>;

/// What one file says of others.
#[derive(Debug, Default)]
struct Module {
    /// What it uses itself, as written.
    uses: Vec<ModulePath>,
    /// What it hands on under a name of its own.
    exports: BTreeMap<String, ModulePath>,
}

/// All files of a crate, by the path of their module.
#[derive(Debug, Default)]
struct Modules(BTreeMap<ModulePath, Module>);

fn words(path: &str) -> ModulePath {
    path.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn flatten(tree: &UseTree, before: &mut ModulePath, into: &mut Vec<(String, ModulePath)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, into);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, into)),
        UseTree::Glob(_) => into.push(("*".to_owned(), before.clone())),
        UseTree::Name(name) => {
            let path = [before.as_slice(), &[name.ident.to_string()]].concat();
            into.push((name.ident.to_string(), path));
        }
        UseTree::Rename(rename) => {
            let path = [before.as_slice(), &[rename.ident.to_string()]].concat();
            into.push((rename.rename.to_string(), path));
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        let Item::Mod(ItemMod { attrs, .. }) = item else { return visit::visit_item(self, item) };
        if !is_test(attrs) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut named = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut named);
        match item.vis {
            Visibility::Inherited => self.uses.extend(named.into_iter().map(|(_, path)| path)),
            _ => self.exports.extend(named),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let path_words: ModulePath = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path_words.len() > 1 {
            self.uses.push(path_words);
        }
        visit::visit_path(self, path);
    }
}

impl Modules {
    fn of(source: &Path) -> Self {
        let mut modules = Self::default();
        modules.read(source, &mut Vec::new());
        modules
    }

    fn read(&mut self, folder: &Path, path: &mut ModulePath) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let file = entry.expect("an entry").path();
            let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            if stem == "tests" {
                continue;
            }
            let is_room = ["lib", "main", "mod"].contains(&stem.as_str());
            if !is_room {
                path.push(stem);
            }
            if file.is_dir() {
                self.read(&file, path);
            } else {
                self.insert(path.clone(), &fs::read_to_string(&file).expect("a source"));
            }
            if !is_room {
                path.pop();
            }
        }
    }

    fn insert(&mut self, path: ModulePath, text: &str) {
        let mut module = Module::default();
        module.visit_file(&syn::parse_file(text).expect("a source that compiles"));
        let known = self.0.entry(path).or_default();
        known.uses.extend(module.uses);
        known.exports.extend(module.exports);
    }

    /// The module in which stands what `path` means in `module`; none if that is in another crate.
    fn home(&self, module: &[String], path: &[String]) -> Option<ModulePath> {
        let (mut at, mut rest) = (module.to_vec(), path);
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [module, &[first.to_owned()]].concat();
                if !self.0.contains_key(&child) {
                    return None;
                }
            }
        }
        while let Some((word, after)) = rest.split_first() {
            let child = [at.as_slice(), std::slice::from_ref(word)].concat();
            if self.0.contains_key(&child) {
                (at, rest) = (child, after);
            } else if let Some(exported) = self.0.get(&at).and_then(|module| module.exports.get(word)) {
                return self.home(&at, exported).or(Some(at));
            } else {
                break;
            }
        }
        Some(at)
    }

    /// The files that this one uses, beside what it is inside of and what is inside it.
    fn used_by(&self, path: &ModulePath) -> BTreeSet<ModulePath> {
        let homes = self.0[path].uses.iter().filter_map(|used| self.home(path, used));
        homes.filter(|home| !home.starts_with(path) && !path.starts_with(home)).collect()
    }

    /// The files that lead back to themselves.
    fn circles(&self) -> Vec<String> {
        let used: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
            self.0.keys().map(|path| (path, self.used_by(path))).collect();
        let leads_back = |start: &ModulePath| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
            while let Some(path) = next.pop() {
                next.extend(used[path].iter().filter(|home| seen.insert(*home)));
            }
            seen.contains(start)
        };
        self.0.keys().filter(|path| leads_back(path)).map(|path| path.join("::")).collect()
    }
}

#[test]
fn circles_are_seen_through_what_is_handed_on_and_tests_are_not_looked_at() {
    let modules = |files: &[(&str, &str)]| {
        let mut modules = Modules::default();
        files.iter().for_each(|(path, text)| modules.insert(words(path), text));
        modules.circles()
    };
    let room = ("room", "mod a; mod b; pub use a::A; use b::B;");
    assert_eq!(modules(&[room, ("room::a", "use super::C;"), ("room::b", "use super::A;")]).len(), 0);
    let circle =
        modules(&[room, ("room::a", "fn f() { super::b::g() }"), ("room::b", "use crate::room::A;")]);
    assert_eq!(circle, ["room::a", "room::b"]);
    let in_tests = "#[cfg(test)] mod tests { use super::super::b::B; }";
    assert_eq!(modules(&[room, ("room::a", in_tests), ("room::b", "use super::{x::Y, A};")]).len(), 0);
}

#[test]
fn no_file_leads_back_to_itself() {
    for source in SOURCES {
        let modules = Modules::of(&workspace().join(source));
        assert!(modules.0.len() > 20, "{source} has {} files", modules.0.len());
        assert_eq!(modules.circles(), Vec::<String>::new(), "{source}");
    }
}
