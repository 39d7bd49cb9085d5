"""The schemas of the pipeline in PySetl: what is read, what goes from one factory to the next, what is written.

A schema has to have all columns of its file; Spark reads only those that are used.
"""

from pyspark.sql.types import DateType, DoubleType, LongType, StringType
from typedspark import Column, Schema


class LineItem(Schema):
    l_orderkey: Column[LongType]
    l_partkey: Column[LongType]
    l_suppkey: Column[LongType]
    l_linenumber: Column[LongType]
    l_quantity: Column[DoubleType]
    l_extendedprice: Column[DoubleType]
    l_discount: Column[DoubleType]
    l_tax: Column[DoubleType]
    l_returnflag: Column[StringType]
    l_linestatus: Column[StringType]
    l_shipdate: Column[DateType]
    l_commitdate: Column[DateType]
    l_receiptdate: Column[DateType]
    l_shipinstruct: Column[StringType]
    l_shipmode: Column[StringType]
    l_comment: Column[StringType]


class Order(Schema):
    o_orderkey: Column[LongType]
    o_custkey: Column[LongType]
    o_orderstatus: Column[StringType]
    o_totalprice: Column[DoubleType]
    o_orderdate: Column[DateType]
    o_orderpriority: Column[StringType]
    o_clerk: Column[StringType]
    o_shippriority: Column[LongType]
    o_comment: Column[StringType]


class Customer(Schema):
    c_custkey: Column[LongType]
    c_name: Column[StringType]
    c_address: Column[StringType]
    c_nationkey: Column[LongType]
    c_phone: Column[StringType]
    c_acctbal: Column[DoubleType]
    c_mktsegment: Column[StringType]
    c_comment: Column[StringType]


class Supplier(Schema):
    s_suppkey: Column[LongType]
    s_name: Column[StringType]
    s_address: Column[StringType]
    s_nationkey: Column[LongType]
    s_phone: Column[StringType]
    s_acctbal: Column[DoubleType]
    s_comment: Column[StringType]


class Part(Schema):
    p_partkey: Column[LongType]
    p_name: Column[StringType]
    p_mfgr: Column[StringType]
    p_brand: Column[StringType]
    p_type: Column[StringType]
    p_size: Column[LongType]
    p_container: Column[StringType]
    p_retailprice: Column[DoubleType]
    p_comment: Column[StringType]


class Nation(Schema):
    n_nationkey: Column[LongType]
    n_name: Column[StringType]
    n_regionkey: Column[LongType]
    n_comment: Column[StringType]


class Region(Schema):
    r_regionkey: Column[LongType]
    r_name: Column[StringType]
    r_comment: Column[StringType]


class Line(Schema):
    orderkey: Column[LongType]
    partkey: Column[LongType]
    suppkey: Column[LongType]
    quantity: Column[DoubleType]
    revenue: Column[DoubleType]
    days_late: Column[LongType]


class RecentOrder(Schema):
    orderkey: Column[LongType]
    custkey: Column[LongType]
    month: Column[LongType]


class Place(Schema):
    nationkey: Column[LongType]
    nation: Column[StringType]
    region: Column[StringType]


class Buyer(Schema):
    custkey: Column[LongType]
    customer: Column[StringType]
    nation: Column[StringType]
    region: Column[StringType]
    segment: Column[StringType]


class Seller(Schema):
    suppkey: Column[LongType]
    supplier: Column[StringType]
    nation: Column[StringType]


class Branded(Schema):
    partkey: Column[LongType]
    brand: Column[StringType]
    maker: Column[StringType]


class SoldLine(Schema):
    custkey: Column[LongType]
    partkey: Column[LongType]
    suppkey: Column[LongType]
    month: Column[LongType]
    quantity: Column[DoubleType]
    revenue: Column[DoubleType]
    days_late: Column[LongType]


class LateLine(Schema):
    suppkey: Column[LongType]
    month: Column[LongType]
    days_late: Column[LongType]


class CustomerRevenue(Schema):
    custkey: Column[LongType]
    customer: Column[StringType]
    nation: Column[StringType]
    region: Column[StringType]
    segment: Column[StringType]
    revenue: Column[DoubleType]
    lines: Column[LongType]


class SupplierRevenue(Schema):
    suppkey: Column[LongType]
    supplier: Column[StringType]
    nation: Column[StringType]
    revenue: Column[DoubleType]
    lines: Column[LongType]


class SupplierDelay(Schema):
    suppkey: Column[LongType]
    late: Column[LongType]
    mean_days_late: Column[DoubleType]


class NationPurchases(Schema):
    nation: Column[StringType]
    region: Column[StringType]
    customers: Column[LongType]
    bought: Column[DoubleType]


class SupplierReport(Schema):
    suppkey: Column[LongType]
    supplier: Column[StringType]
    nation: Column[StringType]
    revenue: Column[DoubleType]
    lines: Column[LongType]
    mean_days_late: Column[DoubleType]
    share_late: Column[DoubleType]


class NationReport(Schema):
    nation: Column[StringType]
    region: Column[StringType]
    customers: Column[LongType]
    suppliers: Column[LongType]
    bought: Column[DoubleType]
    sold: Column[DoubleType]
    balance: Column[DoubleType]


class BrandReport(Schema):
    brand: Column[StringType]
    maker: Column[StringType]
    lines: Column[LongType]
    quantity: Column[DoubleType]
    revenue: Column[DoubleType]


class MonthReport(Schema):
    month: Column[LongType]
    lines: Column[LongType]
    revenue: Column[DoubleType]
    late: Column[LongType]
    mean_days_late: Column[DoubleType]
