#[derive(::setl::__private::ResolvedFactory)]
#[__setl_arguments(output = usize)]
struct Count {
    #[cfg(unix)]
    #[__setl_delivery]
    names: Vec<String>,
}
