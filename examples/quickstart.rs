//! The shortest pipeline that does something: which product brings in the most?

use setl::polars::prelude::*;
use setl::prelude::*;

#[derive(Row)]
struct Sale {
    product: String,
    price: f64,
}

#[factory]
fn sales() -> Result<Dataset<Sale>> {
    Ok(Dataset::try_from(df!("product" => ["tea", "coffee", "tea"], "price" => [2.5, 6.0, 4.0])?)?)
}

#[factory]
async fn revenue(sales: Dataset<Sale>) -> Result<DataFrame> {
    let by_product = sales.lazy().group_by([Sale::PRODUCT.col()]).agg([Sale::PRICE.col().sum()]);
    setl::collect(by_product.sort(["price"], Default::default())).await
}

#[pipeline(extract(sales), transform(revenue))]
struct Shop;

#[tokio::main]
async fn main() -> Result<()> {
    println!("{}", Shop.run().await?.get::<revenue>());
    Ok(())
}
