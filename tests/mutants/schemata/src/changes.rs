//! The changes: which expressions are changed into what.

use proc_macro2::Span;
use quote::ToTokens;
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    BinOp, Block, Expr, ExprPath, ImplItemFn, Item, ItemFn, ItemMod, Lit, Meta, ReturnType, Signature, Stmt, Type, UnOp, parse_quote,
};

/// A change that was made.
pub struct Change {
    pub id: u32,
    pub line: usize,
    pub before: String,
    pub after: String,
}

/// Makes all changes of a file but the skipped ones.
pub fn make(file: &mut syn::File, switch: ExprPath, first: u32, skipped: HashSet<u32>) -> Vec<Change> {
    let mut maker = Maker { switch, next: first, skipped, made: Vec::new() };
    maker.visit_file_mut(file);
    maker.made
}

struct Maker {
    switch: ExprPath,
    next: u32,
    skipped: HashSet<u32>,
    made: Vec<Change>,
}

impl Maker {
    /// The switch of a new change, unless it is skipped.
    fn change(&mut self, span: Span, before: impl ToTokens, after: impl ToTokens) -> Option<Expr> {
        let id = self.next;
        self.next += 1;
        if self.skipped.contains(&id) {
            return None;
        }
        let text = |tokens: proc_macro2::TokenStream| tokens.to_string();
        let (before, after) = (text(before.to_token_stream()), text(after.to_token_stream()));
        self.made.push(Change { id, line: span.start().line, before, after });
        let switch = &self.switch;
        Some(parse_quote!(#switch(#id)))
    }

    /// `expr`, or `other` while the change is on.
    fn either(&mut self, expr: &mut Expr, original: &Expr, other: Expr, shown: &Expr) {
        if let Some(on) = self.change(original.span(), original, shown) {
            let now = expr.clone();
            *expr = parse_quote!((if #on { #other } else { #now }));
        }
    }

    fn body(&mut self, signature: &Signature, block: &mut Block) {
        if signature.constness.is_some() {
            return;
        }
        self.visit_block_mut(block);
        for value in values(&signature.output) {
            if let Some(on) =
                self.change(signature.ident.span(), format!("fn {}", signature.ident), format!("return {}", value.to_token_stream()))
            {
                block.stmts.insert(0, parse_quote!(if #on { return #value; }));
            }
        }
    }
}

/// What a function may return at once: of those that check something, that all is well.
fn values(output: &ReturnType) -> Vec<Expr> {
    let ReturnType::Type(_, of) = output else { return Vec::new() };
    match of.to_token_stream().to_string().replace(' ', "").as_str() {
        "bool" => vec![parse_quote!(true), parse_quote!(false)],
        text if text.starts_with("Result<()") => vec![parse_quote!(Ok(()))],
        _ => Vec::new(),
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("test") || matches!(&a.meta, Meta::List(list) if list.tokens.to_string() == "test"))
}

/// `if let` and what is joined with it cannot stand anywhere else.
fn binds(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

fn other_operator(op: &BinOp) -> Option<BinOp> {
    Some(match op {
        BinOp::Add(_) => parse_quote!(-),
        BinOp::Sub(_) => parse_quote!(+),
        BinOp::Mul(_) => parse_quote!(+),
        BinOp::Div(_) => parse_quote!(*),
        BinOp::Rem(_) => parse_quote!(/),
        BinOp::Shl(_) => parse_quote!(>>),
        BinOp::Shr(_) => parse_quote!(<<),
        BinOp::BitXor(_) => parse_quote!(&),
        BinOp::BitAnd(_) => parse_quote!(|),
        BinOp::BitOr(_) => parse_quote!(&),
        BinOp::And(_) => parse_quote!(||),
        BinOp::Or(_) => parse_quote!(&&),
        BinOp::Eq(_) => parse_quote!(!=),
        BinOp::Ne(_) => parse_quote!(==),
        BinOp::Lt(_) => parse_quote!(<=),
        BinOp::Le(_) => parse_quote!(<),
        BinOp::Gt(_) => parse_quote!(>=),
        BinOp::Ge(_) => parse_quote!(>),
        BinOp::AddAssign(_) => parse_quote!(-=),
        BinOp::SubAssign(_) => parse_quote!(+=),
        BinOp::MulAssign(_) => parse_quote!(+=),
        _ => return None,
    })
}

fn other_method(name: &str) -> Option<&'static str> {
    Some(match name {
        "all" => "any",
        "any" => "all",
        "is_some" => "is_none",
        "is_none" => "is_some",
        "is_ok" => "is_err",
        "is_err" => "is_ok",
        "min" => "max",
        "max" => "min",
        _ => return None,
    })
}

/// Another literal of the same type.
fn other_literal(lit: &Lit) -> Option<Lit> {
    match lit {
        Lit::Int(int) => {
            let value: u64 = int.base10_parse().ok()?;
            Some(Lit::Int(syn::LitInt::new(&format!("{}{}", value.checked_add(1)?, int.suffix()), int.span())))
        }
        Lit::ByteStr(bytes) => {
            let mut value = bytes.value();
            *value.last_mut()? ^= 1;
            Some(Lit::ByteStr(syn::LitByteStr::new(&value, bytes.span())))
        }
        Lit::Bool(bool) => Some(Lit::Bool(syn::LitBool::new(!bool.value, bool.span()))),
        _ => None,
    }
}

impl VisitMut for Maker {
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Const(_) | Item::Static(_) | Item::Enum(_) | Item::Struct(_) | Item::Type(_) | Item::Macro(_) | Item::Use(_) => {}
            _ => visit_mut::visit_item_mut(self, item),
        }
    }

    fn visit_item_mod_mut(&mut self, module: &mut ItemMod) {
        if !is_test(&module.attrs) {
            visit_mut::visit_item_mod_mut(self, module);
        }
    }

    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        if !is_test(&function.attrs) {
            let signature = function.sig.clone();
            self.body(&signature, &mut function.block);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        let signature = function.sig.clone();
        self.body(&signature, &mut function.block);
    }

    fn visit_trait_item_fn_mut(&mut self, function: &mut syn::TraitItemFn) {
        let signature = function.sig.clone();
        if let Some(block) = &mut function.default {
            self.body(&signature, block);
        }
    }

    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}
    fn visit_trait_item_const_mut(&mut self, _: &mut syn::TraitItemConst) {}
    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_generic_argument_mut(&mut self, _: &mut syn::GenericArgument) {}
    fn visit_attribute_mut(&mut self, _: &mut syn::Attribute) {}

    fn visit_block_mut(&mut self, block: &mut Block) {
        for stmt in &mut block.stmts {
            self.visit_stmt_mut(stmt);
        }
    }

    /// A call whose value nobody takes is left out.
    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        let original = stmt.clone();
        visit_mut::visit_stmt_mut(self, stmt);
        let Stmt::Expr(expr, Some(_)) = &original else { return };
        let called = match expr {
            Expr::Try(inner) => &*inner.expr,
            other => other,
        };
        if matches!(called, Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_))
            && let Some(on) = self.change(original.span(), &original, "")
        {
            let now = stmt.clone();
            *stmt = parse_quote!(if !#on { #now });
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let original = expr.clone();
        match expr {
            Expr::Repeat(repeat) => return self.visit_expr_mut(&mut repeat.expr),
            Expr::Const(_) | Expr::Macro(_) => return,
            // a literal that is borrowed lives for ever, and an expression does not
            Expr::Reference(reference) if matches!(*reference.expr, Expr::Lit(_)) => return,
            _ => visit_mut::visit_expr_mut(self, expr),
        }
        match (&original, &mut *expr) {
            (Expr::Binary(was), Expr::Binary(now)) if !binds(&original) => {
                let Some(op) = other_operator(&was.op) else { return };
                let (mut other, mut shown) = (now.clone(), was.clone());
                (other.op, shown.op) = (op, op);
                // while one change is on no other one is, so the operands are as they were
                (other.left, other.right) = (was.left.clone(), was.right.clone());
                self.either(expr, &original, Expr::Binary(other), &Expr::Binary(shown));
            }
            (Expr::Unary(was), _) if matches!(was.op, UnOp::Not(_) | UnOp::Neg(_)) && !matches!(*was.expr, Expr::Lit(_)) => {
                let other = (*was.expr).clone();
                self.either(expr, &original, other.clone(), &other);
            }
            (Expr::MethodCall(was), _) => {
                let Some(name) = other_method(&was.method.to_string()) else { return };
                let mut other = was.clone();
                other.method = syn::Ident::new(name, was.method.span());
                self.either(expr, &original, Expr::MethodCall(other.clone()), &Expr::MethodCall(other));
            }
            (Expr::Lit(was), _) => {
                let Some(lit) = other_literal(&was.lit) else { return };
                let other: Expr = parse_quote!(#lit);
                self.either(expr, &original, other.clone(), &other);
            }
            (Expr::If(was), Expr::If(now)) if !binds(&was.cond) => {
                if let Some(on) = self.change(was.cond.span(), format!("if {}", was.cond.to_token_stream()), "if false") {
                    let cond = now.cond.clone();
                    now.cond = parse_quote!((!#on && #cond));
                }
            }
            _ => {}
        }
    }
}
