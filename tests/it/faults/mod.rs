//! The whole product while a CRM misbehaves: whatever it does, it ends up holding what one undisturbed round leaves
//! there, each record once, and it was left alone for as long as it asked (invariants 2, 3 and 4).

mod apart;
mod converge;
mod obeyed;
mod world;
