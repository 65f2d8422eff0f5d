//! Every field of everything that crosses a border, listed once: its name, what it is, and how many bytes it has.
//!
//! Structures are taken apart without `..`, so that a field that is added to one and forgotten here does not compile.

use ark_bn254::G1Affine;
use assay_circuits::Fr;
use assay_circuits::verifier::{InnerProof, LevelProof};
use assay_prover::key::PublicModel;
use assay_prover::native::NativeProof;
use assay_prover::pcs::Opening;
use assay_prover::pcs::encode::{fr_word, g1_bytes, g2_bytes};
use assay_prover::plonk::{Evaluations, Proof, VerifyingKey};
use assay_prover::wrap::{Snark, WrapVerifyingKey, WrappedProof};

/// What a field is, and so how it is altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A point of G1: two words.
    Point,
    /// A point of G2: four words.
    PointG2,
    /// A number below the field's order: a word.
    Scalar,
    /// Other bytes.
    Bytes,
}

/// A field with the bytes that it must have.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

/// The fields of one thing, in their order.
#[derive(Default)]
pub struct Manifest(pub Vec<Field>);

impl Manifest {
    pub fn push(&mut self, name: impl Into<String>, kind: Kind, bytes: impl Into<Vec<u8>>) {
        self.0.push(Field { name: name.into(), kind, bytes: bytes.into() });
    }

    fn point(&mut self, name: impl Into<String>, point: &G1Affine) {
        self.push(name, Kind::Point, g1_bytes(point));
    }

    fn points(&mut self, name: &str, points: &[G1Affine]) {
        points.iter().enumerate().for_each(|(i, point)| self.point(format!("{name}[{i}]"), point));
    }

    fn scalar(&mut self, name: impl Into<String>, value: &Fr) {
        self.push(name, Kind::Scalar, fr_word(value));
    }

    fn scalars<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a Fr>) {
        values.into_iter().enumerate().for_each(|(i, value)| self.scalar(format!("{name}[{i}]"), value));
    }

    fn number(&mut self, name: &str, value: usize) {
        self.push(name, Kind::Bytes, fr_word(&Fr::from(value as u64)));
    }

    /// Where each field begins, and the end.
    pub fn offsets(&self) -> Vec<usize> {
        let ends = self.0.iter().scan(0, |at, field| {
            *at += field.bytes.len();
            Some(*at)
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|field| field.bytes.clone()).collect()
    }

    fn opening(&mut self, opening: &Opening) {
        // the names of docs/protocol.md section 7
        let Opening { h, q, g, s, d, w, w_prime, g_z, g_zi, h_z, h_zi, s_z, s_zi } = opening;
        let points = [("h", h), ("q", q), ("g", g), ("S", s), ("d", d), ("W", w), ("W'", w_prime)];
        points.into_iter().for_each(|(name, point)| self.point(format!("opening.{name}"), point));
        let values =
            [("g(z)", g_z), ("g(1/z)", g_zi), ("h(z)", h_z), ("h(1/z)", h_zi), ("S(z)", s_z), ("S(1/z)", s_zi)];
        values.into_iter().for_each(|(name, value)| self.scalar(format!("opening.{name}"), value));
    }

    fn messages(&mut self, proof: &InnerProof<Fr>) {
        let InnerProof {
            salt,
            root,
            levels,
            product_sum,
            product_rounds,
            product_evaluations,
            output_sum,
            opening_rounds,
            evaluation,
            mask,
        } = proof;
        self.scalar("salt", salt);
        self.scalars("root", root);
        for (i, LevelProof { rounds, children }) in levels.iter().enumerate() {
            rounds.iter().enumerate().for_each(|(j, round)| self.scalars(&format!("levels[{i}].rounds[{j}]"), round));
            self.scalars(&format!("levels[{i}].children"), children);
        }
        self.scalar("product sum", product_sum);
        product_rounds.iter().enumerate().for_each(|(i, round)| self.scalars(&format!("product rounds[{i}]"), round));
        product_evaluations
            .iter()
            .enumerate()
            .for_each(|(i, pair)| self.scalars(&format!("product evaluations[{i}]"), pair));
        self.scalar("output sum", output_sum);
        opening_rounds.iter().enumerate().for_each(|(i, round)| self.scalars(&format!("opening rounds[{i}]"), round));
        self.scalar("a", evaluation);
        if let Some([m, s]) = mask {
            self.scalar("m", m);
            self.scalar("s", s);
        }
    }

    /// An inner proof as it is (docs/protocol.md section 8).
    pub fn native(proof: &NativeProof) -> Self {
        let NativeProof { witness, mask, inner, opening } = proof;
        let mut all = Self::default();
        all.scalar("hiding", &Fr::from(u64::from(mask.is_some())));
        all.points("witness", witness);
        all.points("mask", mask.as_slice());
        all.messages(inner);
        all.opening(opening);
        all
    }

    /// A wrapped proof, which is a contract's calldata (sections 8 and 9).
    pub fn wrapped(proof: &WrappedProof) -> Self {
        let WrappedProof { snark, digest, value, rho, delta, point, witness, mask, opening } = proof;
        let mut all = Self::default();
        match snark {
            Snark::Universal(snark) => {
                let Proof { advice, product, quotient, evaluations } = snark.as_ref();
                [("A", advice), ("z", product), ("h", quotient)]
                    .into_iter()
                    .for_each(|(name, point)| all.point(name, point));
                let Evaluations { preprocessed, advice, next, product } = evaluations;
                let lists: [(&str, &[Fr]); 4] =
                    [("key(y)", preprocessed), ("advice(y)", advice), ("advice(ωy)", next), ("z(y), z(ωy)", product)];
                lists.into_iter().for_each(|(name, values)| all.scalars(name, values));
            }
            Snark::Groth16(snark) => {
                all.point("A", &snark.a);
                all.push("B", Kind::PointG2, g2_bytes(&snark.b));
                all.point("C", &snark.c);
            }
        }
        [("D", digest), ("s", value), ("ρ", rho), ("δ", delta)]
            .into_iter()
            .for_each(|(name, value)| all.scalar(name, value));
        all.scalars("r*", point);
        all.points("witness", witness);
        all.point("mask", mask);
        all.opening(opening);
        all
    }

    /// A verifying key as contracts store it (sections 8 and 9).
    pub fn contract_key(key: &WrapVerifyingKey, model: &PublicModel) -> Self {
        let PublicModel { shape, weights: _, tables, srs } = model;
        let layout = &shape.layout;
        let mut all = Self::default();
        all.number("version", key.system().version().into());
        all.push("model digest", Kind::Bytes, shape.model_digest);
        all.push("SRS id", Kind::Bytes, srs.id);
        all.number("c", layout.log_chunk as usize);
        all.number("k", layout.log_chunks as usize);
        let regions = [
            ("weights", layout.weights),
            ("tables", layout.tables_region),
            ("input", layout.input_region),
            ("witness", layout.witness),
        ];
        regions.iter().for_each(|(name, region)| all.number(&format!("chunks of {name}"), region.chunks));
        regions.iter().for_each(|(name, region)| all.number(&format!("first chunk of {name}"), region.first_chunk));
        all.number("output cells", shape.outputs());
        all.push("batch", Kind::Bytes, shape.batch.word());
        match key {
            WrapVerifyingKey::Universal(VerifyingKey { log_rows, commitments }) => {
                all.number("log of rows", *log_rows as usize);
                all.points("F", commitments);
            }
            WrapVerifyingKey::Groth16(key) => {
                all.point("-α", &-key.alpha_g1);
                all.push("β", Kind::PointG2, g2_bytes(&key.beta_g2));
                all.push("δ", Kind::PointG2, g2_bytes(&key.delta_g2));
                all.points("IC", &key.gamma_abc_g1);
            }
        }
        all.push("[τ]_2", Kind::PointG2, g2_bytes(&srs.tau_h));
        all.points("tables", tables);
        all
    }
}
