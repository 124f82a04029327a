//! What a value will be, told before there is one: the static shapes of a pipeline's expressions.
//!
//! [`infer`](infer) gives each compiled expression its [`Shape`]: kind, whether it may be nothing, the words it can be,
//! its length, whether a number is an amount in minor units or a time. The shapes begin at what is known: the objects of
//! the trigger's events under the connection's API version, and the records of steps. What is noticed on the way
//! ([`Sight`]) and what is written where ([`Given`]) is kept for the rules.
//!
//! Where nothing is known the shape is [`Kind::Unknown`], and nothing is ever said of it. Shapes judge nothing
//! themselves: [`misfits`] tells what speaks against putting one into another, and rules decide what that means.
//! Begin reading at [`Shape`], then at `walk.rs`.

mod account;
mod assume;
mod calls;
mod event;
mod fit;
mod given;
mod infer;
mod modifiers;
mod objects;
mod operators;
mod resource;
mod scope;
mod script;
mod shape;
mod sight;
mod walk;

pub(in crate::check) use fit::{Misfit, misfits};
pub(in crate::check) use objects::Objects;
pub(in crate::check) use shape::{Absence, Kind, Shape, Unit, Words};
pub(in crate::check) use sight::{Given, GivenTo, Sight, Typed};
pub(in crate::check) use walk::typed;
