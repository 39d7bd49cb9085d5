use std::marker::PhantomData;

use setl::prelude::*;

struct Table<T>(PhantomData<T>);

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

struct Order;

struct Customer;

#[factory(output = usize)]
struct Count<T> {
    #[delivery]
    table: Table<T>,
}

impl<T: Send + Sync + 'static> Factory for Count<T> {
    async fn process(&mut self) -> Result<usize> {
        let _ = &self.table;
        Ok(0)
    }
}

#[pipeline(transform(Count<Order>))]
struct Daily {
    customers: Table<Customer>,
}

fn main() {}
