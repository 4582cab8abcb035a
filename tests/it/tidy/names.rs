//! Which names a source file uses, each in full: from the root of this crate, or from a foreign crate on.
//!
//! Imports, renamed ones too, paths in types, expressions and patterns, and what looks like a path in the arguments of
//! macros and attributes. What is compiled for tests only is left out.

use std::collections::{HashMap, HashSet};

use syn::buffer::Cursor;
use syn::parse::{ParseStream, Parser};
use syn::visit::{self, Visit};

/// The root of this crate in a macro of its own, through which an exported macro reaches the public face.
pub(super) const MACRO_CRATE: &str = "$crate";

/// One path in full. Its first part is `crate`, or the foreign crate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name(pub(super) Vec<String>);

impl Name {
    /// Whether it begins with `path`, whole parts counted.
    pub(super) fn begins_with(&self, path: &str) -> bool {
        let mut parts = self.0.iter();
        path.split("::").all(|part| parts.next().is_some_and(|own| own == part))
    }

    pub(super) fn ends_with(&self, path: &str) -> bool {
        let mut parts = self.0.iter().rev();
        path.rsplit("::").all(|part| parts.next().is_some_and(|own| own == part))
    }

    /// The module path within this crate; `None` for a foreign name.
    pub(super) fn in_crate(&self) -> Option<&[String]> {
        self.0.split_first().filter(|(first, _)| *first == "crate").map(|(_, rest)| rest)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("::"))
    }
}

/// The module that a file under `src` is: `src/value/json.rs` is `value`, `json`.
pub(super) fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Whether a file holds tests only. Rule `test_modules` sees to it that the name tells.
pub(super) fn is_test_file(path: &str) -> bool {
    module_of(path).iter().any(|part| part == "tests")
}

/// Whether an item is compiled for tests only.
pub(super) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
        let condition: String = list.tokens.to_string().split_whitespace().collect();
        attribute.path().is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
    })
}

/// The names of a file, without those of its tests.
pub(super) fn names_of(path: &str, file: &syn::File) -> Vec<Name> {
    if is_test_file(path) {
        return Vec::new();
    }
    let scope = Scope::of(path, file);
    let mut seen = HashSet::new();
    let resolved = scope.mentions.iter().map(|mention| scope.resolve(mention));
    resolved.filter(|name| seen.insert(name.clone())).collect()
}

/// A path as it is written.
#[derive(Debug, Clone)]
struct Mention {
    /// The module in which it stands.
    module: Vec<String>,
    /// Written with `::` in front, and so a foreign crate's.
    foreign: bool,
    parts: Vec<String>,
}

/// What a file says about names.
#[derive(Default)]
pub(super) struct Scope {
    module: Vec<String>,
    mentions: Vec<Mention>,
    /// Imported names, by the name that they have in this file.
    imports: HashMap<String, Mention>,
    /// The modules that this file declares, each with its parent.
    modules: HashSet<(Vec<String>, String)>,
}

impl Scope {
    pub(super) fn of(path: &str, file: &syn::File) -> Scope {
        let mut scope = Scope { module: module_of(path), ..Scope::default() };
        scope.visit_file(file);
        scope
    }

    /// The full name of a path that stands in the file's own module.
    pub(super) fn full_name(&self, path: &syn::Path) -> Name {
        self.resolve(&self.mention(path.leading_colon.is_some(), parts_of(path)))
    }

    /// What an import brings, each in full.
    pub(super) fn imports_of(&self, import: &syn::ItemUse) -> Vec<Name> {
        let mut scope = Scope { module: self.module.clone(), ..Scope::default() };
        scope.visit_item_use(import);
        scope.mentions.iter().map(|mention| self.resolve(mention)).collect()
    }

    fn mention(&self, foreign: bool, parts: Vec<String>) -> Mention {
        Mention { module: self.module.clone(), foreign, parts }
    }

    fn resolve(&self, mention: &Mention) -> Name {
        self.resolve_within(mention, 8)
    }

    /// An import may use the name of another import; `depth` ends a circle.
    fn resolve_within(&self, mention: &Mention, depth: u32) -> Name {
        let from_root = |module: &[String], rest: &[String]| {
            let root = std::iter::once("crate".to_owned());
            Name(root.chain(module.iter().cloned()).chain(rest.iter().cloned()).collect())
        };
        let (first, rest) = mention.parts.split_first().expect("a path has a part");
        match first.as_str() {
            _ if mention.foreign => Name(mention.parts.clone()),
            "crate" => from_root(&[], rest),
            "self" => from_root(&mention.module, rest),
            "super" => {
                let up = 1 + rest.iter().take_while(|part| *part == "super").count();
                let kept = mention.module.len().saturating_sub(up);
                from_root(&mention.module[..kept], &rest[up - 1..])
            }
            _ if self.modules.contains(&(mention.module.clone(), first.clone())) => {
                from_root(&mention.module, &mention.parts)
            }
            _ => {
                match self.imports.get(first).filter(|import| depth > 0 && import.parts != [first.clone()]) {
                    Some(import) => {
                        let mut name = self.resolve_within(import, depth - 1);
                        name.0.extend(rest.iter().cloned());
                        name
                    }
                    None => Name(mention.parts.clone()),
                }
            }
        }
    }

    fn import(&mut self, tree: &syn::UseTree, foreign: bool, before: &[String]) {
        let with = |part: String| before.iter().cloned().chain([part]).collect::<Vec<_>>();
        let (parts, local) = match tree {
            syn::UseTree::Path(path) => {
                return self.import(&path.tree, foreign, &with(path.ident.to_string()));
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, foreign, before));
                return;
            }
            syn::UseTree::Glob(_) => (with("*".to_owned()), None),
            syn::UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned()),
            syn::UseTree::Name(name) => (with(name.ident.to_string()), Some(name.ident.to_string())),
            syn::UseTree::Rename(rename) if rename.ident == "self" => {
                (before.to_vec(), Some(rename.rename.to_string()))
            }
            syn::UseTree::Rename(rename) => (with(rename.ident.to_string()), Some(rename.rename.to_string())),
        };
        let mention = self.mention(foreign, parts);
        if let Some(local) = local {
            self.imports.insert(local, mention.clone());
        }
        self.mentions.push(mention);
    }

    /// Takes down what looks like a path in the arguments of a macro, which nobody has parsed.
    fn read_tokens(&mut self, mut cursor: Cursor<'_>) {
        let (mut parts, mut colons, mut foreign, mut dollar) = (Vec::new(), 0, false, false);
        while !cursor.eof() {
            if let Some((ident, rest)) = cursor.ident() {
                if colons != 2 {
                    self.end_of_path(&mut parts, foreign, dollar);
                    foreign = false;
                } else if parts.is_empty() {
                    foreign = true;
                }
                parts.push(ident.to_string());
                (colons, cursor) = (0, rest);
            } else if let Some((_, rest)) = cursor.lifetime() {
                cursor = rest;
            } else if let Some((punct, rest)) = cursor.punct() {
                if punct.as_char() == ':' {
                    colons += 1;
                } else {
                    self.end_of_path(&mut parts, foreign, dollar);
                    (colons, foreign, dollar) = (0, false, punct.as_char() == '$');
                }
                cursor = rest;
            } else if let Some((inner, _, _, rest)) = cursor.any_group() {
                self.end_of_path(&mut parts, foreign, dollar);
                (colons, foreign, dollar) = (0, false, false);
                self.read_tokens(inner);
                cursor = rest;
            } else if let Some((_, rest)) = cursor.token_tree() {
                cursor = rest;
            }
        }
        self.end_of_path(&mut parts, foreign, dollar);
    }

    fn end_of_path(&mut self, parts: &mut Vec<String>, foreign: bool, dollar: bool) {
        let mut parts = std::mem::take(parts);
        if parts.len() < 2 {
            return;
        }
        if dollar && parts[0] == "crate" {
            parts[0] = MACRO_CRATE.to_owned();
        }
        self.mentions.push(self.mention(foreign, parts));
    }
}

/// Hands the tokens that it parses to [`Scope::read_tokens`].
fn reader(scope: &mut Scope) -> impl FnOnce(ParseStream) -> syn::Result<()> {
    |input: ParseStream| {
        input.step(|cursor| {
            scope.read_tokens(*cursor);
            let mut rest = *cursor;
            while let Some((_, next)) = rest.token_tree() {
                rest = next;
            }
            Ok(((), rest))
        })
    }
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn parts_of(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

impl<'ast> Visit<'ast> for Scope {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test_only(attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test_only(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_test_only(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        self.modules.insert((self.module.clone(), name.clone()));
        self.module.push(name);
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        self.import(&import.tree, import.leading_colon.is_some(), &[]);
    }

    fn visit_item_extern_crate(&mut self, import: &'ast syn::ItemExternCrate) {
        let mention = self.mention(true, vec![import.ident.to_string()]);
        let local = import.rename.as_ref().map_or(&import.ident, |(_, local)| local);
        self.imports.insert(local.to_string(), mention.clone());
        self.mentions.push(mention);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        // One part alone is a local name, or an import that was seen as such.
        if path.segments.len() > 1 {
            self.mentions.push(self.mention(path.leading_colon.is_some(), parts_of(path)));
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        // The one method that reads the clock.
        if call.method == "elapsed" {
            self.mentions.push(
                self.mention(true, vec!["std".into(), "time".into(), "Instant".into(), "elapsed".into()]),
            );
        }
        visit::visit_expr_method_call(self, call);
    }

    /// `pub(in crate::backend)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        reader(self).parse2(call.tokens.clone()).expect("tokens can be walked");
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        visit::visit_meta_list(self, list);
        reader(self).parse2(list.tokens.clone()).expect("tokens can be walked");
    }
}
