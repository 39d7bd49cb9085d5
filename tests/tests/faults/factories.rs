//! The factories: one for each policy, way to run, and set of deliveries, all with the same body.

use std::sync::Arc;
use std::time::Duration;

use setl::plan::dynamic::{Builder, Wiring};
use setl::policy::Resource;
use setl::prelude::*;

use super::payload::{Cargo, Loaded, Stub, Value};
use super::script::{Role, World};

pub static BOUND: Resource = Resource::new("bound").max_concurrent(1);
pub static BROKEN: Resource = Resource::new("broken").breaker(2, Duration::from_secs(5));

/// The policies that factories of these tests have. The model says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Undone,
    Retried,
    RetriedAlways,
    Timed,
    TimedRetried,
    Total,
    Skipped,
    SkippedRetried,
    FallsBack,
    FallsBackRetried,
    Conditional,
    Bound,
    Broken,
}

impl Kind {
    pub const ALL: [Kind; 14] = [
        Kind::Plain,
        Kind::Undone,
        Kind::Retried,
        Kind::RetriedAlways,
        Kind::Timed,
        Kind::TimedRetried,
        Kind::Total,
        Kind::Skipped,
        Kind::SkippedRetried,
        Kind::FallsBack,
        Kind::FallsBackRetried,
        Kind::Conditional,
        Kind::Bound,
        Kind::Broken,
    ];
}

/// What a factory takes from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    pub sources: usize,
    pub optional: bool,
}

macro_rules! body {
    ($name:ident, $role:expr, $blocking:literal, $($source:ident)*) => {
        impl Factory for $name {
            async fn read(&mut self) -> Result<()> {
                let values = vec![$(self.$source.value()),*];
                self.world.read(&self.context, $role, $blocking, values).await
            }

            async fn process(&mut self) -> Result<Cargo> {
                let values = vec![$(self.$source.value()),*];
                self.world.process(&self.context, $role, $blocking, values).await
            }

            async fn write(&mut self, _output: &Cargo) -> Result<()> {
                self.world.write(&self.context, $role, $blocking).await
            }
        }
    };
}

macro_rules! undo {
    (lasting $name:ident) => {};
    ($undone:ident $name:ident) => {
        impl Rollback for $name {
            async fn rollback(&mut self) -> Result<()> {
                self.world.undo(&self.context).await
            }
        }
    };
}

/// One factory, with what it takes from others.
macro_rules! factory {
    ($undo:ident ($world:ident $context:ident) $name:ident [$($options:tt)*] $blocking:literal {$($(#[$attribute:meta])* $source:ident: $ty:ty,)*}) => {
        #[factory(output = Cargo $($options)*)]
        #[allow(dead_code, reason = "some fields are only delivered")]
        pub struct $name {
            #[delivery]
            $world: Arc<World>,
            #[delivery]
            $context: Context,
            #[delivery(auto_load)]
            loaded: Loaded<false>,
            #[delivery]
            stub: Stub,
            $($(#[$attribute])* $source: $ty,)*
        }
        body!($name, Role::Own, $blocking, $($source)*);
        undo!($undo $name);
    };
}

/// All factories with one policy.
macro_rules! kinds {
    ($names:tt $($kind:ident $module:ident $undo:ident [$($options:tt)*];)*) => {
        $(
            mod $module {
                pub mod asynchronous {
                    use super::super::*;
                    variants!($undo $names [$($options)*] false);
                }
                pub mod blocking {
                    use super::super::*;
                    variants!($undo $names [, blocking $($options)*] true);
                }
            }
        )*

        /// Lists a factory.
        pub fn list(
            builder: Builder,
            (kind, blocking, takes): (Kind, bool, Takes),
            name: String,
            wire: impl FnOnce(Wiring) -> Wiring,
        ) -> Builder {
            match (kind, blocking) {
                $(
                    (Kind::$kind, false) => pick!(builder, takes, name, wire, $module::asynchronous),
                    (Kind::$kind, true) => pick!(builder, takes, name, wire, $module::blocking),
                )*
            }
        }
    };
}

macro_rules! variants {
    ($undo:ident $names:tt $options:tt $blocking:literal) => {
        factory!($undo $names Alone $options $blocking {});
        factory!($undo $names One $options $blocking { #[delivery] s0: Cargo, });
        factory!($undo $names OneIfAny $options $blocking { #[delivery(optional)] s0: Option<Cargo>, });
        factory!($undo $names Two $options $blocking { #[delivery] s0: Cargo, #[delivery(shared)] s1: Arc<Cargo>, });
        factory!($undo $names TwoIfAny $options $blocking {
            #[delivery(optional)] s0: Option<Cargo>,
            #[delivery(optional, shared)] s1: Option<Arc<Cargo>>,
        });
    };
}

macro_rules! pick {
    ($builder:ident, $takes:ident, $name:ident, $wire:ident, $module:ident::$way:ident) => {
        match ($takes.sources, $takes.optional) {
            (0, _) => $builder.factory_named::<$module::$way::Alone>($name, $wire),
            (1, false) => $builder.factory_named::<$module::$way::One>($name, $wire),
            (1, true) => $builder.factory_named::<$module::$way::OneIfAny>($name, $wire),
            (2, false) => $builder.factory_named::<$module::$way::Two>($name, $wire),
            (2, true) => $builder.factory_named::<$module::$way::TwoIfAny>($name, $wire),
            other => unreachable!("no factory takes {other:?}"),
        }
    };
}

/// What stands in for others.
#[factory(output = Cargo)]
#[allow(dead_code, reason = "some fields are only delivered")]
pub struct StandIn {
    #[delivery]
    world: Arc<World>,
    #[delivery]
    context: Context,
    #[delivery(auto_load)]
    loaded: Loaded<true>,
}
body!(StandIn, Role::StandIn, false,);

/// What stands in for others, and is tried again.
#[factory(output = Cargo, blocking, retry(times = 1, backoff = "1s..1s", jitter = false))]
#[allow(dead_code, reason = "some fields are only delivered")]
pub struct StandInRetried {
    #[delivery]
    world: Arc<World>,
    #[delivery]
    context: Context,
    #[delivery(auto_load)]
    loaded: Loaded<true>,
}
body!(StandInRetried, Role::StandIn, true,);

// A condition sees the names of deliveries that come from where it does.
kinds! {
    (world context)
    Plain plain lasting [];
    Undone undone undone [];
    Retried retried lasting [, retry(times = 2, backoff = "1s..1s", jitter = false)];
    RetriedAlways retried_always undone [, retry(times = 2, backoff = "1s..1s", jitter = false, on = any)];
    Timed timed undone [, timeout = "10s"];
    TimedRetried timed_retried undone [, timeout = "10s", retry(times = 2, backoff = "1s..1s", jitter = false)];
    Total total undone [
        , timeout = "10s", total_timeout = "25s", retry(times = 5, backoff = "1s..1s", jitter = false)
    ];
    Skipped skipped undone [, on_failure = skip];
    SkippedRetried skipped_retried undone [
        , on_failure = skip, retry(times = 1, backoff = "1s..1s", jitter = false)
    ];
    FallsBack falls_back undone [, on_failure = fallback(StandIn)];
    FallsBackRetried falls_back_retried undone [
        , on_failure = fallback(StandInRetried), retry(times = 1, backoff = "1s..1s", jitter = false)
    ];
    Conditional conditional undone [, when = world.is_due(context)];
    Bound bound undone [, resource = BOUND];
    Broken broken undone [, resource = BROKEN, retry(times = 4, backoff = "1s..1s", jitter = false)];
}
