//! The rule on the public face: it blocks, and it shows nothing of what is behind it.

use syn::visit::{self, Visit};

use super::house::{ANYWHERE, PUBLIC, ROOMS};
use super::names::{Name, Scope, is_test_file, is_test_only, module_of};
use super::rules::{Room, is_library, parse, room_of};

/// No public signature is `async` or shows a driver's or a pool's type.
pub(super) fn public_face(path: &str, text: &str) -> Vec<String> {
    if !is_library(path) || is_test_file(path) {
        return Vec::new();
    }
    let file = parse(path, text);
    let mut face = Face {
        scope: Scope::of(path, &file),
        room: room_of(&module_of(path)),
        place: String::new(),
        found: Vec::new(),
    };
    face.visit_file(&file);
    face.found
}

/// Looks at what is `pub`, and at nothing else.
struct Face {
    scope: Scope,
    room: Option<Room>,
    /// The public item whose signature is being read; empty outside of one.
    place: String,
    found: Vec<String>,
}

impl Face {
    fn within(&mut self, place: impl std::fmt::Display, look: impl FnOnce(&mut Face)) {
        let outer = std::mem::replace(&mut self.place, place.to_string());
        look(self);
        self.place = outer;
    }

    fn signature(&mut self, signature: &syn::Signature) {
        self.within(&signature.ident, |face| {
            if signature.asyncness.is_some() {
                face.found.push(format!("`{}` is an `async fn`", signature.ident));
            }
            visit::visit_signature(face, signature);
        });
    }

    fn is_private(name: &Name) -> bool {
        let first = name.0[0].as_str();
        !PUBLIC.contains(&first)
            && (ANYWHERE.contains(&first) || ROOMS.iter().any(|(foreign, _)| *foreign == first))
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

impl<'ast> Visit<'ast> for Face {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Mod(module) if is_test_only(&module.attrs) => (),
            syn::Item::Mod(module) => visit::visit_item_mod(self, module),
            syn::Item::Fn(function) if is_public(&function.vis) => self.signature(&function.sig),
            syn::Item::Struct(item) if is_public(&item.vis) => self.within(&item.ident, |face| {
                face.visit_generics(&item.generics);
                let public = item.fields.iter().filter(|field| is_public(&field.vis));
                public.for_each(|field| face.visit_type(&field.ty));
            }),
            syn::Item::Enum(item) if is_public(&item.vis) => self.within(&item.ident, |face| {
                face.visit_generics(&item.generics);
                item.variants
                    .iter()
                    .flat_map(|variant| &variant.fields)
                    .for_each(|field| face.visit_type(&field.ty));
            }),
            syn::Item::Type(item) if is_public(&item.vis) => {
                self.within(&item.ident, |face| face.visit_type(&item.ty))
            }
            syn::Item::Const(item) if is_public(&item.vis) => {
                self.within(&item.ident, |face| face.visit_type(&item.ty))
            }
            syn::Item::Static(item) if is_public(&item.vis) => {
                self.within(&item.ident, |face| face.visit_type(&item.ty))
            }
            syn::Item::Trait(item) if is_public(&item.vis) => self.within(&item.ident, |face| {
                face.visit_generics(&item.generics);
                item.supertraits.iter().for_each(|bound| face.visit_type_param_bound(bound));
                for item in &item.items {
                    match item {
                        syn::TraitItem::Fn(function) => face.signature(&function.sig),
                        other => visit::visit_trait_item(face, other),
                    }
                }
            }),
            syn::Item::Use(item) if is_public(&item.vis) => {
                for name in self.scope.imports_of(item).into_iter().filter(Face::is_private) {
                    self.found.push(format!("`pub use {name}` publishes a foreign crate"));
                }
            }
            syn::Item::Impl(item) if !is_test_only(&item.attrs) => self.implementation(item),
            _ => (),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let name = self.scope.full_name(path);
        if Face::is_private(&name) {
            self.found.push(format!("`{}` shows `{name}`", self.place));
        }
        if name.ends_with("Future") {
            self.found.push(format!("`{}` shows `{name}`: the library blocks", self.place));
        }
        visit::visit_path(self, path);
    }
}

impl Face {
    fn implementation(&mut self, item: &syn::ItemImpl) {
        let Some((implemented, _)) = &item.trait_ else {
            for item in &item.items {
                match item {
                    syn::ImplItem::Fn(function) if is_public(&function.vis) => self.signature(&function.sig),
                    syn::ImplItem::Const(item) if is_public(&item.vis) => {
                        self.within(&item.ident, |face| visit::visit_type(face, &item.ty));
                    }
                    _ => (),
                }
            }
            return;
        };
        // A driver's trait, or a conversion from its type, is public on every type that others see. Within its room a
        // wrapper of the room's own takes it.
        let syn::Type::Path(own) = &*item.self_ty else { return };
        let of_room =
            self.scope.full_name(&own.path).in_crate().is_none_or(|module| room_of(module) == self.room);
        if !of_room {
            self.within(format!("impl for {}", own.path.segments[0].ident), |face| {
                face.visit_path(implemented)
            });
        }
    }
}
