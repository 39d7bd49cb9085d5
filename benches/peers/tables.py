"""What the pipeline reads, and what it writes of which step."""

TABLES = ["lineitem", "orders", "customer", "supplier", "part", "nation", "region"]

SINKS = {
    "customers": "customer_revenue",
    "suppliers": "supplier_report",
    "nations": "nation_report",
    "brands": "brand_report",
    "months": "month_report",
}
