//! The rules. Each is a function of one file, its path and its text, and returns what it finds wrong.

use syn::buffer::Cursor;
use syn::parse::{ParseStream, Parser};
use syn::visit::{self, Visit};

use super::house::{
    CLOCKS, MOST_BYTES, MOST_LINES, ONLY, PURE, RANKS, ROOMS, ROOT, STRANGERS, UNSAFE, WORLD,
};
use super::names::{MACRO_CRATE, Name, is_test_file, is_test_only, module_of, names_of};

pub(super) use super::face::public_face;

pub(super) type Rule = fn(&str, &str) -> Vec<String>;

/// Whether a file of `src` belongs to a room: `backend/odbc` is `backend/odbc.rs` and all under `backend/odbc`.
fn in_room(path: &str, room: &str) -> bool {
    path.strip_prefix("src/")
        .and_then(|path| path.strip_prefix(room))
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

pub(super) fn is_library(path: &str) -> bool {
    path.starts_with("src/") && !in_room(path, "bin")
}

pub(super) fn parse(path: &str, text: &str) -> syn::File {
    syn::parse_file(text).unwrap_or_else(|error| panic!("{path} cannot be parsed: {error}"))
}

/// A foreign crate is named in its room only.
pub(super) fn rooms(path: &str, text: &str) -> Vec<String> {
    if !path.starts_with("src/") {
        return Vec::new();
    }
    let names = names_of(path, &parse(path, text));
    let homes = |name: &Name| ROOMS.iter().find(|(home, _)| *home == name.0[0]).map(|(_, homes)| *homes);
    names
        .iter()
        .filter_map(|name| Some((name, homes(name)?)))
        .filter(|(_, homes)| !homes.iter().any(|home| in_room(path, home)))
        .map(|(name, homes)| {
            format!("`{name}`: the crate `{}` is named in {} only", name.0[0], homes.join(", "))
        })
        .collect()
}

/// A room and its rank, as a line of the table.
pub(super) type Room = (&'static str, u32);

/// The room of a module: its longest beginning that the table names.
pub(super) fn room_of(module: &[String]) -> Option<Room> {
    if module.is_empty() {
        return RANKS.iter().find(|(room, _)| *room == ROOT).copied();
    }
    (1..=module.len()).rev().find_map(|length| {
        let name = module[..length].join("::");
        RANKS.iter().find(|(room, _)| *room == name).copied()
    })
}

/// Imports go to a lower rank. Within one room of the first order (`migrate` with all under it), a parent and a child
/// may name each other, and a child its siblings of the same rank or a lower one, unless they are strangers.
pub(super) fn ranks(path: &str, text: &str) -> Vec<String> {
    if !is_library(path) || is_test_file(path) {
        return Vec::new();
    }
    let module = module_of(path);
    let Some(here) = room_of(&module) else {
        return vec![format!(
            "the module `{}` has no rank: add it to RANKS in tests/it/tidy/house.rs",
            module.join("::")
        )];
    };
    let mut found = Vec::new();
    for name in names_of(path, &parse(path, text)) {
        // The macro's own `$crate::Name` is the public face, which an exported macro has to go through.
        let (target, by_macro) = match name.in_crate() {
            Some(target) => (target, false),
            None if name.0[0] == MACRO_CRATE => (&name.0[1..], true),
            None => continue,
        };
        match room_of(target) {
            Some(there) if !may_import(here, there) => {
                found.push(format!("`{name}`: `{}` (rank {}) may not import from `{}` (rank {})", here.0, here.1, there.0, there.1));
            }
            Some(_) => (),
            None if by_macro || here.0 == ROOT => (),
            None => found.push(format!(
                "`{name}`: name the module that it is in, not the crate's root; a new module gets its rank in tests/it/tidy/house.rs"
            )),
        }
    }
    found
}

fn may_import(here: Room, there: Room) -> bool {
    let under = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with("::"));
    let house = |room: &str| room.split("::").next().map(str::to_owned);
    if here.0 == there.0 {
        return true;
    }
    if STRANGERS.contains(&(here.0, there.0)) || STRANGERS.contains(&(there.0, here.0)) {
        return false;
    }
    if let Some((_, allowed)) = ONLY.iter().find(|(room, _)| *room == here.0) {
        return allowed.contains(&there.0);
    }
    if house(here.0) == house(there.0) {
        return under(here.0, there.0) || under(there.0, here.0) || there.1 <= here.1;
    }
    there.1 < here.1
}

/// `unsafe` stays in the ODBC room, in tests too.
pub(super) fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    if in_room(path, UNSAFE) {
        return Vec::new();
    }
    let mut found = Vec::new();
    each_token(path, text, &mut |word, _, _| {
        if word == "unsafe" {
            found.push(format!("`unsafe` outside src/{UNSAFE}"));
        }
    });
    found
}

/// Files are small, and a module's file bears its name.
pub(super) fn size(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.lines().count() > MOST_LINES {
        found.push(format!("{} lines, {MOST_LINES} are the most", text.lines().count()));
    }
    if text.len() > MOST_BYTES {
        found.push(format!("{} bytes, {MOST_BYTES} are the most", text.len()));
    }
    if path.ends_with("/mod.rs") && !path.ends_with("/common/mod.rs") {
        found.push("a module `foo` is the file foo.rs with the folder foo, never foo/mod.rs".to_owned());
    }
    found
}

/// Nothing is left for later: no `todo!`, no `unimplemented!`, no test or example that does not run.
pub(super) fn unfinished(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    each_token(path, text, &mut |word, before, after| {
        if matches!(word, "todo" | "unimplemented") && after == Some('!') {
            found.push(format!("`{word}!`"));
        }
        if word == "ignore" && before == Some('#') {
            found.push("`#[ignore]`: a test runs or it is not there".to_owned());
        }
    });
    let comments =
        text.lines().map(str::trim_start).filter(|line| line.starts_with("///") || line.starts_with("//!"));
    for line in comments.filter(|line| line.contains("```") && line.contains("ignore")) {
        found.push(format!("`{line}`: an example that is not compiled"));
    }
    found
}

/// What decides is pure: clock, chance, files and the environment are arguments.
pub(super) fn pure(path: &str, text: &str) -> Vec<String> {
    if !PURE.iter().any(|module| in_room(path, module)) {
        return Vec::new();
    }
    let names = names_of(path, &parse(path, text));
    let of_world = |name: &&Name| {
        WORLD.iter().any(|world| name.begins_with(world)) || CLOCKS.iter().any(|clock| name.ends_with(clock))
    };
    names.iter().filter(of_world).map(|name| format!("`{name}` in a module that only decides")).collect()
}

/// A module named `tests` is for tests only, and so may be left out by the other rules.
pub(super) fn test_modules(path: &str, text: &str) -> Vec<String> {
    struct Modules(Vec<String>);
    impl<'ast> Visit<'ast> for Modules {
        fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
            if module.ident == "tests" && !is_test_only(&module.attrs) {
                self.0.push("`mod tests` without `#[cfg(test)]`".to_owned());
            }
            visit::visit_item_mod(self, module);
        }
    }
    if !path.starts_with("src/") {
        return Vec::new();
    }
    let mut modules = Modules(Vec::new());
    modules.visit_file(&parse(path, text));
    modules.0
}

/// A word, the punctuation before it, and the punctuation after it.
type Look<'a> = &'a mut dyn FnMut(&str, Option<char>, Option<char>);

/// Walks all tokens of a file, strings and comments left out. `look` gets each word, the punctuation before it (or
/// before the bracket that it is the first word in), and the punctuation after it.
fn each_token(path: &str, text: &str, look: Look<'_>) {
    fn walk(mut cursor: Cursor<'_>, mut before: Option<char>, look: Look<'_>) {
        while !cursor.eof() {
            if let Some((ident, rest)) = cursor.ident() {
                look(&ident.to_string(), before.take(), rest.punct().map(|(punct, _)| punct.as_char()));
                cursor = rest;
            } else if let Some((punct, rest)) = cursor.punct() {
                before = Some(punct.as_char());
                cursor = rest;
            } else if let Some((inner, _, _, rest)) = cursor.any_group() {
                walk(inner, before.take(), look);
                cursor = rest;
            } else if let Some((_, rest)) = cursor.token_tree() {
                before = None;
                cursor = rest;
            }
        }
    }
    let parser = |input: ParseStream| {
        input.step(|cursor| {
            walk(*cursor, None, look);
            let mut rest = *cursor;
            while let Some((_, next)) = rest.token_tree() {
                rest = next;
            }
            Ok(((), rest))
        })
    };
    parser.parse_str(text).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"));
}
