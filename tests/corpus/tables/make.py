# Makes the archives and Parquet files beside it and the arrays in ../arrays, from this folder: NumPy, pandas, pyarrow.
# plain.csv is made by other means.
import decimal
import numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq

# Every array holds the same table.
X = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1]])
for name, dtype in {"f16": "<f2", "f16_big": ">f2", "f32_big": ">f4", "f64_big": ">f8", "i64": "<i8", "i16_big": ">i2", "u32_big": ">u4", "bool": "?"}.items():
    np.save(f"../arrays/{name}.npy", X.astype(dtype))
np.save("../arrays/f16_fortran.npy", np.asfortranarray(X.astype("<f2")))
np.save("../arrays/bool_fortran.npy", np.asfortranarray(X.astype("?")))
# Arrays of something else.
np.save("../arrays/complex.npy", X.astype("<c16"))
np.save("../arrays/object.npy", X.astype(object))
np.save("../arrays/records.npy", pd.DataFrame(X, columns=list("abc")).to_records())
np.save("../arrays/text.npy", X.astype("<U3"))
np.save("../arrays/dates.npy", X.astype("<M8[s]"))
np.save("../arrays/long_double.npy", X.astype(np.longdouble))

df = pd.DataFrame({"a": [1.5, 2.0, 4.0, 8.0, 9.0], "b": [5, 3, 9, 7, 1]})
words = np.array(["normal", "anomaly", "normal", "normal", "normal"])
np.savez("words.npz", X=df.to_numpy(), y=words, feature_names=np.array(["a", "b"]))
np.savez("swapped.npz", X=df[["b", "a"]].to_numpy("f2"), label=(words == "anomaly")[:, None], feature_names=np.array(["b", "a"]))
np.savez_compressed("columns.npz", b=df.b, is_anomaly=words == "anomaly", a=df.a, id=np.arange(5)[::-1])
np.savez("objects.npz", X=df.to_numpy(), y=words == "anomaly", columns=df.columns)
np.savez("positional.npz", df.to_numpy(), words == "anomaly")
np.savez("two.npz", data=df.to_numpy(), Class=np.where(words == "anomaly", -1, 1))

p = df.assign(Class=pd.Categorical(words), when=pd.Timestamp("2024-01-01"), note="text")
p.set_index(pd.Index([10, 30, 20, 50, 40], name="part")).to_parquet("pandas.parquet")
df.assign(y=words == "anomaly", b=pd.array([5, None, 9, 7, 1], "Int64")).to_parquet("nullable.parquet")
t = pa.table({"b": pa.array([decimal.Decimal(int(v)) for v in df.b], pa.decimal128(5, 2)), "a": pa.array(df.a, pa.float32()),
              "outlier": pa.array(words.tolist()).dictionary_encode()})
pq.write_table(t, "swapped.parquet", store_schema=False)
