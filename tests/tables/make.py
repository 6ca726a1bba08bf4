# Makes the Parquet files beside it, in the current folder: pyarrow 26.0.1, Polars 2.1.0, pandas 3.1.1, DuckDB 2.0.1.
import numpy as np, pyarrow as pa, pyarrow.parquet as pq, polars as pl, pandas as pd, duckdb, decimal
D = decimal.Decimal
n = 40
i = np.arange(n)
# row i: a = i/4 with every 7th missing; b = i % 3 (dictionary); c = 250 - i unsigned; d = i odd; e = i/100 decimal; y = i % 5 == 0
a = [None if k % 7 == 0 else k / 4 for k in range(n)]
cols = lambda: {
    "a": pa.array(a, pa.float64()), "b": pa.array(i % 3, pa.int32()), "c": pa.array(2**32 - 1 - i, pa.uint32()),
    "d": pa.array(i % 2 == 1), "e": pa.array([D(int(k)-20) / 100 for k in i], pa.decimal128(9, 2)),
    "f": pa.array((i / 8).astype(np.float32)), "y": pa.array((i % 5 == 0).astype(np.int8)),
}
t = pa.table(cols())
for codec, version in [("snappy", "1.0"), ("zstd", "2.0"), ("gzip", "1.0"), ("lz4", "2.0"), ("brotli", "1.0"), ("none", "2.0")]:
    pq.write_table(t, f"pyarrow_{codec}_v{version[0]}.parquet", compression=codec, data_page_version=version, row_group_size=17,
                   use_dictionary=codec != "none", store_schema=False)
pq.write_table(t, "pyarrow_byte_stream_split.parquet", use_dictionary=False, store_schema=False, store_decimal_as_integer=True,
   column_encoding={"a": "BYTE_STREAM_SPLIT", "f": "BYTE_STREAM_SPLIT", "b": "DELTA_BINARY_PACKED"})
p = pl.from_arrow(t)
p.write_parquet("polars_zstd.parquet", row_group_size=20)
t.to_pandas().astype({"e": "float64"}).set_index(pd.Index(i ** 2 + 1)).to_parquet("pandas_index.parquet")
duckdb.sql("select * from t").write_parquet("duckdb_snappy.parquet")
pq.write_table(pa.table({"x": [1, 2], "city": ["a", "b"]}), "text.parquet", store_schema=False)
pq.write_table(pa.table({"x": [1, 2], "pair": [[1, 2], [3]]}), "nested.parquet", store_schema=False)
pq.write_table(pa.table({"x": [1, 2], "when": pa.array([1, 2], pa.timestamp("us"))}), "time.parquet", store_schema=False)
pq.write_table(pa.table({"x": pa.array([1, 2.5], pa.float16()), "u": pa.array([2**64-1, 5], pa.uint64()), "n": pa.nulls(2)}), "half.parquet", store_schema=False)
