"""The factories of the pipeline in PySetl, and the pipeline."""

from pyspark.sql import functions as f
from pysetl.config import ParquetConfig
from pysetl.enums import SaveMode
from pysetl.storage.repository import SparkRepository, SparkRepositoryBuilder
from pysetl.workflow import Deliverable, Delivery, Factory, Pipeline, Stage
from rows_pysetl import (
    Branded, BrandReport, Buyer, Customer, CustomerRevenue, LateLine, Line, LineItem, MonthReport, Nation,
    NationPurchases, NationReport, Order, Part, Place, RecentOrder, Region, Seller, SoldLine, Supplier, SupplierDelay,
    SupplierReport, SupplierRevenue,
)
from typedspark import DataSet


class Step:
    """What the factories have in common: steps that have nothing to do for most, and sharing by hand."""

    shared = False

    def read(self):
        return self

    def write(self):
        return self

    def get(self):
        return self.output

    def deliver(self, row, frame, several=False):
        self.output = DataSet[row](frame.persist() if several and Step.shared else frame)
        return self


class CleanLines(Step, Factory[DataSet[Line]]):
    source = Delivery[SparkRepository[LineItem]]()

    def read(self):
        self.lines = self.source.get().load()
        return self

    def process(self):
        lines = self.lines.filter(f.col("l_returnflag") != "R").select(
            f.col("l_orderkey").alias("orderkey"),
            f.col("l_partkey").alias("partkey"),
            f.col("l_suppkey").alias("suppkey"),
            f.col("l_quantity").alias("quantity"),
            (f.col("l_extendedprice") * (1 - f.col("l_discount"))).alias("revenue"),
            f.datediff("l_receiptdate", "l_commitdate").cast("long").alias("days_late"),
        )
        return self.deliver(Line, lines)


class OrdersOfYears(Step, Factory[DataSet[RecentOrder]]):
    source = Delivery[SparkRepository[Order]]()

    def read(self):
        self.orders = self.source.get().load()
        return self

    def process(self):
        day = f.col("o_orderdate")
        years = self.orders.filter((day >= f.lit("1995-01-01").cast("date")) & (day < f.lit("1997-01-01").cast("date")))
        orders = years.select(
            f.col("o_orderkey").alias("orderkey"),
            f.col("o_custkey").alias("custkey"),
            (f.year(day) * 100 + f.month(day)).cast("long").alias("month"),
        )
        return self.deliver(RecentOrder, orders)


class Places(Step, Factory[DataSet[Place]]):
    nations_source = Delivery[SparkRepository[Nation]]()
    regions_source = Delivery[SparkRepository[Region]]()

    def read(self):
        self.nations = self.nations_source.get().load()
        self.regions = self.regions_source.get().load()
        return self

    def process(self):
        places = self.nations.join(self.regions, f.col("n_regionkey") == f.col("r_regionkey")).select(
            f.col("n_nationkey").alias("nationkey"), f.col("n_name").alias("nation"), f.col("r_name").alias("region")
        )
        return self.deliver(Place, places)


class Buyers(Step, Factory[DataSet[Buyer]]):
    source = Delivery[SparkRepository[Customer]]()
    places = Delivery[DataSet[Place]]()

    def read(self):
        self.customers = self.source.get().load()
        return self

    def process(self):
        buyers = self.customers.join(self.places.get(), f.col("c_nationkey") == f.col("nationkey")).select(
            f.col("c_custkey").alias("custkey"), f.col("c_name").alias("customer"), "nation", "region",
            f.col("c_mktsegment").alias("segment"),
        )
        return self.deliver(Buyer, buyers)


class Sellers(Step, Factory[DataSet[Seller]]):
    source = Delivery[SparkRepository[Supplier]]()
    places = Delivery[DataSet[Place]]()

    def read(self):
        self.suppliers = self.source.get().load()
        return self

    def process(self):
        sellers = self.suppliers.join(self.places.get(), f.col("s_nationkey") == f.col("nationkey")).select(
            f.col("s_suppkey").alias("suppkey"), f.col("s_name").alias("supplier"), "nation"
        )
        return self.deliver(Seller, sellers)


class BrandsOfParts(Step, Factory[DataSet[Branded]]):
    source = Delivery[SparkRepository[Part]]()

    def read(self):
        self.parts = self.source.get().load()
        return self

    def process(self):
        brands = self.parts.select(
            f.col("p_partkey").alias("partkey"), f.col("p_brand").alias("brand"), f.col("p_mfgr").alias("maker")
        )
        return self.deliver(Branded, brands)


class SoldLines(Step, Factory[DataSet[SoldLine]]):
    lines = Delivery[DataSet[Line]]()
    orders = Delivery[DataSet[RecentOrder]]()

    def process(self):
        sold = self.lines.get().join(self.orders.get(), "orderkey").select(
            "custkey", "partkey", "suppkey", "month", "quantity", "revenue", "days_late"
        )
        return self.deliver(SoldLine, sold, several=True)


class LateLines(Step, Factory[DataSet[LateLine]]):
    lines = Delivery[DataSet[SoldLine]]()

    def process(self):
        late = self.lines.get().filter(f.col("days_late") > 0).select("suppkey", "month", "days_late")
        return self.deliver(LateLine, late)


class CustomersRevenue(Step, Factory[DataSet[CustomerRevenue]]):
    lines = Delivery[DataSet[SoldLine]]()
    buyers = Delivery[DataSet[Buyer]]()
    target = Delivery[SparkRepository[CustomerRevenue]]()

    def process(self):
        by_customer = self.lines.get().groupBy("custkey").agg(
            f.sum("revenue").alias("revenue"), f.count("*").alias("lines")
        )
        revenue = by_customer.join(self.buyers.get(), "custkey").select(
            "custkey", "customer", "nation", "region", "segment", "revenue", "lines"
        )
        return self.deliver(CustomerRevenue, revenue, several=True)

    def write(self):
        self.target.get().save(self.output)
        return self


class SuppliersRevenue(Step, Factory[DataSet[SupplierRevenue]]):
    lines = Delivery[DataSet[SoldLine]]()
    sellers = Delivery[DataSet[Seller]]()

    def process(self):
        by_supplier = self.lines.get().groupBy("suppkey").agg(
            f.sum("revenue").alias("revenue"), f.count("*").alias("lines")
        )
        revenue = by_supplier.join(self.sellers.get(), "suppkey").select(
            "suppkey", "supplier", "nation", "revenue", "lines"
        )
        return self.deliver(SupplierRevenue, revenue, several=True)


class SupplierDelays(Step, Factory[DataSet[SupplierDelay]]):
    late = Delivery[DataSet[LateLine]]()

    def process(self):
        delays = self.late.get().groupBy("suppkey").agg(
            f.count("*").alias("late"), f.mean("days_late").alias("mean_days_late")
        )
        return self.deliver(SupplierDelay, delays)


class NationsPurchases(Step, Factory[DataSet[NationPurchases]]):
    customers = Delivery[DataSet[CustomerRevenue]]()

    def process(self):
        purchases = self.customers.get().groupBy("nation", "region").agg(
            f.count("*").alias("customers"), f.sum("revenue").alias("bought")
        )
        return self.deliver(NationPurchases, purchases)


class SuppliersReport(Step, Factory[DataSet[SupplierReport]]):
    revenue = Delivery[DataSet[SupplierRevenue]]()
    delays = Delivery[DataSet[SupplierDelay]]()
    target = Delivery[SparkRepository[SupplierReport]]()

    def process(self):
        report = self.revenue.get().join(self.delays.get(), "suppkey", "left").select(
            "suppkey", "supplier", "nation", "revenue", "lines", "mean_days_late",
            (f.coalesce("late", f.lit(0)) / f.col("lines")).alias("share_late"),
        )
        return self.deliver(SupplierReport, report)

    def write(self):
        self.target.get().save(self.output)
        return self


class NationsReport(Step, Factory[DataSet[NationReport]]):
    purchases = Delivery[DataSet[NationPurchases]]()
    suppliers = Delivery[DataSet[SupplierRevenue]]()
    target = Delivery[SparkRepository[NationReport]]()

    def process(self):
        sales = self.suppliers.get().groupBy("nation").agg(
            f.count("*").alias("suppliers"), f.sum("revenue").alias("sold")
        )
        report = self.purchases.get().join(sales, "nation").select(
            "nation", "region", "customers", "suppliers", "bought", "sold",
            (f.col("sold") - f.col("bought")).alias("balance"),
        )
        return self.deliver(NationReport, report)

    def write(self):
        self.target.get().save(self.output)
        return self


class BrandsReport(Step, Factory[DataSet[BrandReport]]):
    lines = Delivery[DataSet[SoldLine]]()
    parts = Delivery[DataSet[Branded]]()
    target = Delivery[SparkRepository[BrandReport]]()

    def process(self):
        report = self.lines.get().join(self.parts.get(), "partkey").groupBy("brand", "maker").agg(
            f.count("*").alias("lines"), f.sum("quantity").alias("quantity"), f.sum("revenue").alias("revenue")
        )
        return self.deliver(BrandReport, report)

    def write(self):
        self.target.get().save(self.output)
        return self


class MonthsReport(Step, Factory[DataSet[MonthReport]]):
    lines = Delivery[DataSet[SoldLine]]()
    late = Delivery[DataSet[LateLine]]()
    target = Delivery[SparkRepository[MonthReport]]()

    def process(self):
        late = self.late.get().groupBy("month").agg(
            f.count("*").alias("late"), f.mean("days_late").alias("mean_days_late")
        )
        months = self.lines.get().groupBy("month").agg(f.count("*").alias("lines"), f.sum("revenue").alias("revenue"))
        report = months.join(late, "month").select("month", "lines", "revenue", "late", "mean_days_late")
        return self.deliver(MonthReport, report)

    def write(self):
        self.target.get().save(self.output)
        return self


TABLES = {
    "lineitem": LineItem, "orders": Order, "customer": Customer, "supplier": Supplier, "part": Part, "nation": Nation,
    "region": Region,
}
SINKS = {
    "customers": CustomerRevenue, "suppliers": SupplierReport, "nations": NationReport, "brands": BrandReport,
    "months": MonthReport,
}
# A factory takes what earlier stages deliver; within a stage, PySetl runs them one after the other.
STAGES = [
    [CleanLines, OrdersOfYears, Places, BrandsOfParts],
    [Buyers, Sellers, SoldLines],
    [LateLines, CustomersRevenue, SuppliersRevenue],
    [SupplierDelays, NationsPurchases],
    [SuppliersReport, NationsReport, BrandsReport, MonthsReport],
]


def pipeline(tables: str, target: str, shared: bool) -> Pipeline:
    Step.shared = shared
    made = Pipeline()
    places = [(row, f"{tables}/{name}.parquet") for name, row in TABLES.items()]
    places += [(row, f"{target}/{name}.parquet") for name, row in SINKS.items()]
    for row, path in places:
        config = ParquetConfig(path=path, savemode=SaveMode.OVERWRITE)
        repository = SparkRepositoryBuilder[row](config).build().get()
        made.set_input_from_deliverable(Deliverable[SparkRepository[row]](repository))
    for factories in STAGES:
        stage = Stage()
        for factory in factories:
            stage.add_factory_from_type(factory)
        made.add_stage(stage)
    return made
