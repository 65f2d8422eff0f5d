//! What nobody is believed about: the parts of a key that follow from a model's public description and the powers of
//! tau, which are the commitments to the tables and the universal wrap's key. Whoever is handed a key derives them and
//! compares.
//!
//! They can be kept between runs. What is kept has a hash for its name, of everything that it was computed from: every
//! cell of the tables, every cell of the circuit, the SRS's id. So it is never taken for what another program, another
//! shape or another SRS gives, and it need not be made again where these are the same.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub(crate) mod public;

use crate::key::{KeyError, PublicModel, SrsVerifier};
use crate::package::{commit_tables, table_cells};
use crate::pcs::PcsError;
use crate::pcs::encode::{Reader, fr_word};
use crate::plonk;
use crate::srs::Srs;
use crate::wrap::{System, WrapVerifyingKey};
use ark_bn254::G1Affine;
use assay_circuits::Fr;
use assay_circuits::plonk::Circuit;
use assay_circuits::shape::Shape;
use sha3::{Digest, Keccak256};

/// Where what was derived is kept between runs. **Whoever can write there decides which keys are believed.**
pub trait Kept {
    /// What was kept under a name. What is damaged is derived anew.
    fn get(&self, name: &[u8; 32]) -> Option<Vec<u8>>;
    /// Keeps bytes under a name; it need not succeed.
    fn keep(&self, name: &[u8; 32], bytes: &[u8]);
}

/// Keeps nothing.
pub struct Nowhere;

impl Kept for Nowhere {
    fn get(&self, _: &[u8; 32]) -> Option<Vec<u8>> {
        None
    }

    fn keep(&self, _: &[u8; 32], _: &[u8]) {}
}

/// What anybody computes from a model's description and the powers of tau.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Commitments to the tables' chunks.
    pub tables: Vec<G1Affine>,
    /// The universal wrap's key, if it was asked for.
    pub universal: Option<plonk::VerifyingKey>,
}

/// A key that was compared with what its model's description gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recomputed {
    /// Whether the wrap's key was derived as well. That of Groth16 cannot be: that it is its circuit's only its
    /// ceremony's transcript can show.
    pub wrap: bool,
}

impl PublicModel {
    /// Derives the commitments to the tables, and for the universal wrap its key. Of the model it takes architecture,
    /// chunk size, batch and SRS, and checks that these are the ones that its digests name. `srs` gives an SRS with
    /// `2^log` powers; it is not asked where the result was kept before.
    ///
    /// # Errors
    /// [`KeyError`], also for an SRS that is not the model's or is none.
    pub fn derive<E: From<KeyError>>(
        &self,
        system: Option<System>,
        srs: impl FnOnce(u32) -> Result<Srs, E>,
        kept: &dyn Kept,
    ) -> Result<Derived, E> {
        Recipe::new(self, system)?.derived(srs, kept)
    }

    /// [`Self::derive`] for the universal key of the model's proof of weights ([`crate::registration`]). Errors: as
    /// there.
    pub fn derive_of_weights<E: From<KeyError>>(
        &self,
        srs: impl FnOnce(u32) -> Result<Srs, E>,
        kept: &dyn Kept,
    ) -> Result<(Self, WrapVerifyingKey), E> {
        Recipe::new(self, None)?; // the digest of the proof's shape follows from the model's, which is not believed
        let model = self.of_weights()?;
        let circuit = Circuit::new(&model.shape, &model.srs.id).map_err(KeyError::from)?;
        let recipe = Recipe { shape: model.shape.clone(), srs: model.srs, circuit: Some(circuit) };
        let key = recipe.derived(srs, kept)?.universal.ok_or(KeyError::Mismatch("the wrap's key"))?;
        Ok((model, WrapVerifyingKey::Universal(key)))
    }

    /// [`Self::derive`], and compares: the tables, and the wrap's key where it can be derived. Errors: also
    /// [`KeyError::Mismatch`].
    pub fn recompute<E: From<KeyError>>(
        &self,
        wrap: Option<&WrapVerifyingKey>,
        srs: impl FnOnce(u32) -> Result<Srs, E>,
        kept: &dyn Kept,
    ) -> Result<Recomputed, E> {
        let derived = self.derive(wrap.map(WrapVerifyingKey::system), srs, kept)?;
        Ok(self.compare(wrap, &derived)?)
    }

    /// [`Self::recompute`] over the development SRS, whose τ is public: it takes no powers. Errors: also
    /// [`KeyError::Mismatch`] for another SRS.
    pub fn recompute_development(&self, wrap: Option<&WrapVerifyingKey>) -> Result<Recomputed, KeyError> {
        let derived = self.derive_development(wrap.map(WrapVerifyingKey::system))?;
        self.compare(wrap, &derived)
    }

    /// [`Self::derive`] over the development SRS, whose τ is public: it takes no powers. Errors: also
    /// [`KeyError::Mismatch`] for another SRS.
    pub fn derive_development(&self, system: Option<System>) -> Result<Derived, KeyError> {
        let recipe = Recipe::new(self, system)?;
        recipe.derive_at(self.srs.public_tau().ok_or(KeyError::Mismatch("the SRS"))?)
    }

    fn compare(&self, wrap: Option<&WrapVerifyingKey>, derived: &Derived) -> Result<Recomputed, KeyError> {
        equal(derived.tables == self.tables, "a table commitment")?;
        if let Some(wrap) = wrap {
            let derived = derived.universal.map(WrapVerifyingKey::Universal);
            equal(derived.as_ref().is_none_or(|derived| derived == wrap), "the wrap's key")?;
            wrap.check()?;
        }
        Ok(Recomputed { wrap: derived.universal.is_some() })
    }
}

impl Derived {
    /// Points as words; how many there are the shape says.
    fn to_bytes(&self) -> Vec<u8> {
        let universal = self.universal.iter().flat_map(|key| key.commitments);
        crate::key::points_bytes(&self.tables.iter().copied().chain(universal).collect::<Vec<_>>())
    }
}

fn equal(same: bool, what: &'static str) -> Result<(), KeyError> {
    if same { Ok(()) } else { Err(KeyError::Mismatch(what)) }
}

/// Everything that goes into [`Derived`] but the powers of tau.
struct Recipe {
    shape: Shape,
    srs: SrsVerifier,
    circuit: Option<Circuit>,
}

impl Recipe {
    fn new(model: &PublicModel, system: Option<System>) -> Result<Self, KeyError> {
        let Shape { architecture, layout, batch, .. } = &model.shape;
        // a digest is not believed either
        let shape = Shape::batched(architecture.clone(), layout.log_chunk, *batch)?;
        equal(
            shape.digest == model.shape.digest && shape.model_digest == model.shape.model_digest,
            "the shape digest",
        )?;
        model.srs.check()?;
        model.check()?;
        let universal = system == Some(System::Universal);
        let circuit = universal.then(|| Circuit::new(&shape, &model.srs.id)).transpose()?;
        Ok(Self { shape, srs: model.srs, circuit })
    }

    /// See [`PublicModel::derive`].
    fn derived<E: From<KeyError>>(
        self,
        srs: impl FnOnce(u32) -> Result<Srs, E>,
        kept: &dyn Kept,
    ) -> Result<Derived, E> {
        let name = self.name();
        if let Some(derived) = kept.get(&name).and_then(|bytes| self.decode(&bytes)) {
            return Ok(derived);
        }
        let srs = srs(self.srs_log())?;
        let derived = self.derive(&srs)?;
        kept.keep(&name, &derived.to_bytes());
        Ok(derived)
    }

    fn srs_log(&self) -> u32 {
        let rows = self.circuit.as_ref().map_or(0, |circuit| plonk::ProvingKey::powers(circuit.log_rows).ilog2());
        rows.max(self.shape.layout.log_chunk)
    }

    /// A hash of all cells that are committed to, and of the SRS's id. The tag and the wrap's version say how they
    /// become commitments.
    fn name(&self) -> [u8; 32] {
        let mut hash = Keccak256::new_with_prefix(b"assay-derived-v1");
        hash.update(self.srs.id);
        hash.update(self.shape.layout.log_chunk.to_be_bytes());
        let cells = table_cells(&self.shape);
        hash.update((cells.len() as u64).to_be_bytes());
        cells.iter().for_each(|cell| hash.update(cell.to_be_bytes()));
        if let Some(circuit) = &self.circuit {
            hash.update([System::Universal.version()]);
            hash.update(circuit.log_rows.to_be_bytes());
            circuit.fixed.iter().flatten().for_each(|value| hash.update(fr_word(value)));
            circuit.permutation.iter().for_each(|cell| hash.update(cell.to_be_bytes()));
        }
        hash.finalize().into()
    }

    /// Reads [`Derived::to_bytes`]. `None` if malformed.
    fn decode(&self, bytes: &[u8]) -> Option<Derived> {
        let (points, rest) = bytes.as_chunks::<64>();
        let points: Vec<G1Affine> = points.iter().map(|point| Reader::new(point).g1().ok()).collect::<Option<_>>()?;
        let (tables, key) = points.split_at_checked(self.shape.layout.tables_region.chunks)?;
        let universal = match &self.circuit {
            None if key.is_empty() => None,
            None => return None,
            Some(circuit) => {
                Some(plonk::VerifyingKey { log_rows: circuit.log_rows, commitments: key.try_into().ok()? })
            }
        };
        rest.is_empty().then(|| Derived { tables: tables.to_vec(), universal })
    }

    fn derive(self, srs: &Srs) -> Result<Derived, KeyError> {
        equal(SrsVerifier::new(srs) == self.srs, "the SRS")?;
        let log_chunk = self.shape.layout.log_chunk;
        if !srs.holds_chunks(log_chunk) {
            return Err(KeyError::SrsTooSmall { have: srs.max_log(), need: log_chunk });
        }
        // keys and tables are computed from all powers: those of somebody's file are not trusted
        srs.check()?;
        let tables = commit_tables(&self.shape, srs).commitments;
        let universal = self.circuit.map(|circuit| plonk::ProvingKey::new(circuit, srs)).transpose().map_err(
            |error| match error {
                PcsError::SrsTooSmall { need, .. } => {
                    KeyError::SrsTooSmall { have: srs.max_log(), need: need.next_power_of_two().ilog2() }
                }
                _ => KeyError::Mismatch("the wrap's key"),
            },
        )?;
        Ok(Derived { tables, universal: universal.map(|key| key.verifying) })
    }

    /// [`Self::derive`] where τ is known: commitments are values at τ.
    fn derive_at(self, tau: Fr) -> Result<Derived, KeyError> {
        let chunk = 1 << self.shape.layout.log_chunk;
        let tables = table_cells(&self.shape).chunks(chunk).map(|cells| public::commit_cells(cells, tau)).collect();
        let universal = self
            .circuit
            .map(|circuit| public::universal_key(&circuit, tau).ok_or(KeyError::Mismatch("the wrap's key")));
        Ok(Derived { tables, universal: universal.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{BuyerKey, Metadata, Package};
    use crate::seller::InputOpening;
    use crate::wrap::WrapProvingKey;
    use assay_circuits::sample;
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;

    #[derive(Default)]
    struct Memory(RefCell<HashMap<[u8; 32], Vec<u8>>>);

    impl Kept for Memory {
        fn get(&self, name: &[u8; 32]) -> Option<Vec<u8>> {
            self.0.borrow().get(name).cloned()
        }

        fn keep(&self, name: &[u8; 32], bytes: &[u8]) {
            self.0.borrow_mut().insert(*name, bytes.to_vec());
        }
    }

    const LOG: u32 = 9;

    fn key(seed: u64) -> (BuyerKey, Srs) {
        let (architecture, weights) = sample::random_network(seed);
        let shape = Shape::new(architecture.clone(), LOG).unwrap();
        let srs = Srs::development(WrapProvingKey::srs_log(System::Universal, &shape).unwrap());
        let package = Package::new(Metadata::default(), architecture, weights, LOG, &srs).unwrap();
        let wrap = WrapProvingKey::universal(&shape, &srs).unwrap().verifying_key();
        (BuyerKey::new(&package, wrap, false), srs)
    }

    #[test]
    fn what_is_kept_is_what_is_derived_and_damage_is_derived_anew() {
        for seed in [3, 5] {
            let (key, srs) = key(seed);
            let (memory, asked) = (Memory::default(), Cell::new(0));
            let derive = |system| {
                let srs = |log| {
                    asked.set(asked.get() + 1);
                    assert!(srs.max_log() >= log);
                    Ok::<_, KeyError>(srs.clone())
                };
                key.model.derive(system, srs, &memory).unwrap()
            };
            let first = derive(Some(System::Universal));
            assert_eq!(first.tables, key.model.tables);
            assert_eq!(first.universal.map(WrapVerifyingKey::Universal), Some(key.wrap.clone()));
            assert_eq!(
                (derive(Some(System::Universal)), asked.get()),
                (first.clone(), 1),
                "the second time it is kept"
            );
            let tables = derive(Some(System::Groth16));
            assert_eq!(
                (&tables.tables, tables.universal, asked.get()),
                (&first.tables, None, 2),
                "without the wrap's key it is another"
            );
            assert_eq!((derive(None), asked.get()), (tables, 2));

            let names: Vec<_> = memory.0.borrow().keys().copied().collect();
            let whole: Vec<Vec<u8>> = names.iter().map(|name| memory.get(name).unwrap()).collect();
            let damage: [fn(&mut Vec<u8>); 4] = [
                Vec::clear,
                |bytes| bytes.truncate(bytes.len().saturating_sub(1)),
                |bytes| bytes.extend([0; 64]),
                |bytes| bytes.fill(0xff),
            ];
            for change in damage {
                let before = asked.get();
                for (name, whole) in names.iter().zip(&whole) {
                    let mut bytes = whole.clone();
                    change(&mut bytes);
                    memory.keep(name, &bytes);
                }
                assert_eq!(derive(Some(System::Universal)), first);
                assert_eq!(asked.get(), before + 1, "what is damaged is derived anew");
            }
        }
    }

    /// Over the development SRS, commitments that are values at τ are those that the powers give: of keys, tables and
    /// inputs.
    #[test]
    fn a_public_tau_gives_what_the_powers_give() {
        for seed in [3, 5, 8] {
            let (key, srs) = key(seed);
            let shape = &key.model.shape;
            let recipe = || Recipe::new(&key.model, Some(System::Universal)).unwrap();
            assert_eq!(recipe().derive_at(crate::srs::development_tau()).unwrap(), recipe().derive(&srs).unwrap());
            let cells: Vec<i32> = (0..1 << shape.architecture.input.log_size).map(|i| i * 7 % 31 - 15).collect();
            for opening in [InputOpening::public(shape, cells.clone()), InputOpening::private(shape, cells.clone())] {
                assert_eq!(
                    opening.commit_development(shape).unwrap(),
                    opening.commit(shape, &srs).unwrap().commitments
                );
            }
        }
        let (mut key, _) = key(3);
        key.model.srs.tau_h = (key.model.srs.tau_h + key.model.srs.h).into();
        key.model.srs.id = crate::srs::id_of(&key.model.srs.tau_h);
        key.model.srs.development = false;
        assert!(matches!(key.model.recompute_development(Some(&key.wrap)), Err(KeyError::Mismatch("the SRS"))));
    }

    /// One model's result is not another's, nor that of another batch or SRS.
    #[test]
    fn names_differ_with_everything_that_goes_in() {
        let (key, _) = key(3);
        let name = |model: &PublicModel, system| Recipe::new(model, system).unwrap().name();
        let mut names = vec![name(&key.model, Some(System::Universal)), name(&key.model, None)];
        names.push(name(&key.model.batched(assay_circuits::batch::Batch::joint(1)).unwrap(), Some(System::Universal)));
        names.push(name(&self::key(5).0.model, Some(System::Universal)));
        let mut other = key.model.clone();
        other.srs.tau_h = (other.srs.tau_h + other.srs.h).into();
        other.srs.id = crate::srs::id_of(&other.srs.tau_h);
        other.srs.development = false;
        names.push(name(&other, Some(System::Universal)));
        for (i, one) in names.iter().enumerate() {
            assert!(names[..i].iter().all(|other| one != other), "{i}");
        }
    }

    /// PC9: nothing of a key is believed that its description gives.
    #[test]
    fn false_parts_are_refused() {
        let (key, srs) = key(3);
        let recompute = |key: &BuyerKey| key.recompute(&srs);
        assert_eq!(recompute(&key).unwrap(), Recomputed { wrap: true });
        let mut other = key.clone();
        let WrapVerifyingKey::Universal(wrap) = &mut other.wrap else { panic!() };
        wrap.commitments.swap(0, 1);
        assert!(matches!(recompute(&other), Err(KeyError::Mismatch("the wrap's key"))));
        let mut other = key.clone();
        let WrapVerifyingKey::Universal(wrap) = &mut other.wrap else { panic!() };
        wrap.log_rows += 1;
        assert!(matches!(recompute(&other), Err(KeyError::Mismatch("the wrap's key"))));
        let mut other = key.clone();
        other.model.shape.model_digest[0] ^= 1;
        assert!(matches!(recompute(&other), Err(KeyError::Mismatch("the shape digest"))));
        assert!(!key.model.tables.is_empty(), "a network with a table that is committed to");
        for table in 0..key.model.tables.len() {
            let mut other = key.clone();
            other.model.tables[table] = -other.model.tables[table];
            assert!(matches!(recompute(&other), Err(KeyError::Mismatch("a table commitment"))));
        }
        assert_eq!(key.model.recompute_development(Some(&key.wrap)).unwrap(), Recomputed { wrap: true });
        // powers that are not consecutive, though the first two and [τ]_2 are right
        let mut powers = srs.g1.to_vec();
        powers[7] = -powers[7];
        let false_srs = Srs { g1: powers.into(), ..srs.clone() };
        assert!(matches!(key.recompute(&false_srs), Err(KeyError::Srs(_))));
    }
}
