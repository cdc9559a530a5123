//! What `keepwarm watch` keeps and decides, pure: lines and the time go in, windows and alerts come out.
//!
//! Each fold thread counts into a [`part::Part`] of its own. About once a second the parts are taken into the
//! [`slices::Slices`], which windows are made of. A window is a summary like any other, so it is analysed like any other:
//! what it tells is what `keepwarm report --since` would tell of the same lines.

pub mod alert;
pub mod part;
mod slice;
pub mod slices;
pub mod time;
pub mod totals;
pub mod warmups;
