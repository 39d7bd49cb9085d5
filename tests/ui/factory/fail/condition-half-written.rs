use setl::prelude::*;

#[derive(Clone)]
struct Settings {
    full: bool,
}

#[factory(when = settings.)]
fn read(settings: Settings) -> bool {
    settings.full
}

#[factory(id = 1, , blocking timeout = "1s")]
fn write() -> u8 {
    1
}

fn main() {}
