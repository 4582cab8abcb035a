//! The part of `batchdb::embed_migrations!` that looks at the disk, which a macro by example cannot.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// The `.sql` files of a folder as `&[("name", include_str!("path")), …]`, in the order of their names. The folder is
/// named from the root of the package that is being compiled.
#[proc_macro]
pub fn files_of(input: TokenStream) -> TokenStream {
    match folder(&input.to_string()).and_then(|folder| read(&folder)) {
        Ok(files) => list(&files),
        Err(message) => {
            let text = [TokenTree::from(Literal::string(&message))];
            call("compile_error", text.into_iter().collect())
        }
    }
}

fn folder(literal: &str) -> Result<PathBuf, String> {
    let text = literal.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = text.filter(|text| !text.contains(['\\', '"']));
    let text = text.ok_or("give the folder as one plain string, such as \"migrations/rpa_db\"")?;
    let root =
        std::env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set: build by Cargo")?;
    Ok(Path::new(&root).join(text))
}

fn read(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let wrong = |error| format!("the folder {} cannot be read: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_dir() && holds_sql(&path) {
            return Err(format!("{} has .sql files, which would not be run: move them up", path.display()));
        }
        if !is_sql(&path) || !path.is_file() {
            continue;
        }
        match (path.file_name().and_then(|name| name.to_str()), path.to_str()) {
            (Some(name), Some(path)) => files.push((name.to_owned(), path.to_owned())),
            _ => return Err(format!("the name of {} is not UTF-8", path.display())),
        }
    }
    files.sort();
    Ok(files)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}

/// Whether a folder has a `.sql` file at any depth. A hidden one is nobody's business.
fn holds_sql(folder: &Path) -> bool {
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !is_hidden(folder)
        && fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
            // The type of the entry itself: a link may lead back.
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => holds_sql(&entry.path()),
                false => is_sql(&entry.path()) && !is_hidden(&entry.path()),
            }
        })
}

fn list(files: &[(String, String)]) -> TokenStream {
    let mut items = TokenStream::new();
    for (name, path) in files {
        let path = TokenTree::from(Literal::string(path)).into();
        let mut pair = TokenStream::from(TokenTree::from(Literal::string(name)));
        pair.extend([TokenTree::from(Punct::new(',', Spacing::Alone))]);
        pair.extend(call("include_str", path));
        let pair = TokenTree::from(Group::new(Delimiter::Parenthesis, pair));
        items.extend([pair, Punct::new(',', Spacing::Alone).into()]);
    }
    let reference = TokenTree::from(Punct::new('&', Spacing::Alone));
    [reference, Group::new(Delimiter::Bracket, items).into()].into_iter().collect()
}

/// `::core::name!(arguments)`
fn call(name: &str, arguments: TokenStream) -> TokenStream {
    let colons = || [Spacing::Joint, Spacing::Alone].map(|spacing| TokenTree::from(Punct::new(':', spacing)));
    let word = |word| TokenTree::from(Ident::new(word, Span::call_site()));
    let mut tokens = TokenStream::new();
    tokens.extend(colons());
    tokens.extend([word("core")]);
    tokens.extend(colons());
    tokens.extend([word(name), Punct::new('!', Spacing::Alone).into()]);
    tokens.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, arguments))]);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_with_sql_files_is_named() {
        let folder = std::env::temp_dir().join(format!("batchdb-macros-{}", std::process::id()));
        fs::create_dir_all(folder.join("2026/01")).unwrap();
        fs::write(folder.join("V1__a.sql"), "").unwrap();
        assert_eq!(read(&folder).unwrap().len(), 1);
        fs::write(folder.join("2026/01/V2__b.sql"), "").unwrap();
        assert!(read(&folder).unwrap_err().contains("2026"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
