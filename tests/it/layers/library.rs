//! What an embedding program sees of the library names no store and no engine type that it would inherit from.

use std::collections::BTreeSet;
use std::fs;

use syn::visit::{self, Visit};
use syn::{ImplItem, Item, ItemImpl, Signature, UseTree, Visibility};

use super::{files, root};

/// The names in public signatures, public fields, re-exports, and implemented traits with their associated types.
#[derive(Default)]
struct PublicNames(BTreeSet<String>);

impl PublicNames {
    fn add_reexport(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.add_reexport(&path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_reexport(tree)),
            UseTree::Name(name) => drop(self.0.insert(name.ident.to_string())),
            UseTree::Rename(name) => drop(self.0.insert(name.rename.to_string())),
            UseTree::Glob(_) => drop(self.0.insert("*".to_owned())),
        }
    }

    fn add_signature(&mut self, visibility: &Visibility, signature: &Signature) {
        if matches!(visibility, Visibility::Public(_)) {
            self.visit_signature(signature);
        }
    }

    fn add_impl(&mut self, item: &ItemImpl) {
        if let Some((of, _)) = &item.trait_ {
            self.visit_path(of);
            self.visit_type(&item.self_ty);
        }
        for inner in &item.items {
            match inner {
                ImplItem::Fn(method) if item.trait_.is_some() => self.visit_signature(&method.sig),
                ImplItem::Fn(method) => self.add_signature(&method.vis, &method.sig),
                ImplItem::Type(associated) => self.visit_type(&associated.ty),
                _ => {}
            }
        }
    }
}

impl Visit<'_> for PublicNames {
    fn visit_item(&mut self, item: &Item) {
        match item {
            Item::Fn(item) => self.add_signature(&item.vis, &item.sig),
            Item::Impl(item) => self.add_impl(item),
            Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => self.add_reexport(&item.tree),
            Item::Struct(item) => visit::visit_fields(self, &item.fields),
            Item::Enum(item) => item.variants.iter().for_each(|variant| {
                variant.fields.iter().for_each(|field| self.visit_type(&field.ty));
            }),
            _ => {}
        }
    }

    fn visit_field(&mut self, field: &syn::Field) {
        if matches!(field.vis, Visibility::Public(_)) {
            self.visit_type(&field.ty);
        }
    }

    fn visit_path_segment(&mut self, segment: &syn::PathSegment) {
        self.0.insert(segment.ident.to_string());
        visit::visit_path_segment(self, segment);
    }
}

fn names(source: &str) -> BTreeSet<String> {
    let mut names = PublicNames::default();
    names.visit_file(&syn::parse_file(source).unwrap());
    names.0
}

#[test]
fn the_library_shows_no_store_and_dereferences_to_nothing() {
    let mut found = Vec::new();
    files(&root().join("crates/vouchlog/src"), &mut found);
    let mut all = BTreeSet::new();
    for path in found.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let source = fs::read_to_string(path).unwrap();
        let names = names(&source);
        for banned in ["SledStore", "SledWitnessStore", "RunIndex", "Deref", "DerefMut"] {
            assert!(!names.contains(banned), "{} shows {banned}", path.display());
        }
        all.extend(names);
    }
    // What it does show was found.
    for shown in ["Appender", "LogReader", "StoreError", "Server", "Witness", "CustodyConfig"] {
        assert!(all.contains(shown), "{shown} is not among {all:?}");
    }
}

#[test]
fn a_store_in_a_signature_is_found_wherever_it_stands() {
    for source in [
        "impl Log { pub fn store(&self) -> &Engine<SledStore> { todo!() } }",
        "impl Deref for Log { type Target = Engine<SledStore>; }",
        "pub struct Log { pub store: Arc<SledStore> }",
        "pub enum Error { Store(SledStore) }",
        "pub fn open() -> Result<SledStore, Error> { todo!() }",
        "pub use stores::{Other, SledStore};",
    ] {
        assert!(names(source).contains("SledStore"), "{source}");
    }
    let hidden = "use a::SledStore; struct Log { store: SledStore } impl Log { fn f(_: SledStore) {} }";
    assert!(!names(hidden).contains("SledStore"));
}
