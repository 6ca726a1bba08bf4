//! What the calls of a checkpoint's pickle come to.
use super::value::{Heap, Node, Object, Storage, Tensor, Value};
use super::{Result, globals};
use safetensors::Dtype;

/// Calls within calls: PyTorch has one in another (a subclass of a tensor, made of a tensor).
const MAX_DEPTH: usize = 4;

/// Arguments of a call that are looked at; PyTorch's have eight at most.
pub const MAX_ARGS: usize = 16;

/// Dimensions of a tensor, as in PyTorch.
const MAX_DIMS: usize = 64;

/// The value of `callable(*args)`.
/// # Errors
/// The name of what is not called here; arguments that do not fit.
pub fn call(heap: &mut Heap, callable: Value, args: &[Value], depth: usize) -> Result<Value> {
    let name = match heap.get(callable) {
        Some(Node::Global(name)) => name.clone(),
        _ => return Err(format!("its pickle would call {}; nothing of it was executed", heap.describe(callable))),
    };
    let first = args.first().copied();
    match (name.as_str(), args) {
        ("collections.OrderedDict" | "builtins.dict", _) => dictionary(heap, first),
        // Sets and tuples of a list are read as that list.
        ("builtins.set" | "builtins.frozenset" | "builtins.list" | "builtins.tuple", _) => {
            Ok(first.unwrap_or_else(|| heap.add(Node::List(Vec::new()))))
        }
        ("builtins.bytes" | "builtins.bytearray", []) => Ok(heap.add(Node::Bytes(Vec::new()))),
        ("builtins.bytes" | "builtins.bytearray" | "_codecs.encode", &[value, ..]) => encoded(heap, value),
        (
            "builtins.int" | "builtins.long" | "builtins.float" | "builtins.bool" | "builtins.str" | "builtins.unicode",
            &[value],
        ) => Ok(value),
        ("torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", &[s, offset, shape, strides, ..]) => {
            rebuilt(heap, s, [offset, shape, strides], None)
        }
        ("torch._utils._rebuild_tensor_v3", &[s, offset, shape, strides, _, _, dtype, ..]) => {
            let Some(Node::Global(dtype)) = heap.get(dtype) else { return Err("a tensor has no dtype".into()) };
            let dtype = dtype.clone();
            rebuilt(heap, s, [offset, shape, strides], Some(&dtype))
        }
        ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", &[data, ..]) => Ok(data),
        ("torch._tensor._rebuild_from_type_v2", &[inner, _, inner_args, ..]) if depth < MAX_DEPTH => {
            let inner_args: Vec<Value> = heap.elements(inner_args).iter().copied().take(MAX_ARGS).collect();
            call(heap, inner, &inner_args, depth + 1)
        }
        ("numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar", &[dtype, bytes]) => {
            Ok(scalar(heap, dtype, bytes).unwrap_or(Value::None))
        }
        ("copyreg._reconstructor" | "copyreg.__newobj__" | "copyreg.__newobj_ex__", &[class, ..]) => {
            match heap.get(class) {
                Some(Node::Global(class)) => {
                    let class = class.clone();
                    globals::check_call(&class)?;
                    Ok(object(heap, class, &args[1..]))
                }
                _ => Err(format!("its pickle would make {} an object", heap.describe(class))),
            }
        }
        // An attribute of a class: a member of an enumeration, a class inside of it; of `typing`, a type with its parameters.
        ("builtins.getattr", &[class, attribute]) => match (heap.get(class), heap.text(attribute)) {
            (Some(Node::Global(class)), Some(attribute)) if !attribute.starts_with('_') && attribute.len() < 100 => {
                let named = format!("{class}.{attribute}");
                globals::check_call(class)?;
                globals::check_mention(&named)?;
                Ok(heap.add(Node::Global(named)))
            }
            _ => Err(globals::refusal(&name)),
        },
        ("operator.getitem" | "_operator.getitem", &[class, _]) => match heap.get(class) {
            Some(Node::Global(class)) if class.starts_with("typing.") => {
                let class = class.clone();
                Ok(object(heap, class, &[]))
            }
            _ => Err(globals::refusal(&name)),
        },
        _ => {
            globals::check_call(&name)?;
            Ok(object(heap, name, args))
        }
    }
}

fn object(heap: &mut Heap, class: String, args: &[Value]) -> Value {
    heap.add(Node::Object(Object { class, args: args.to_vec(), ..Object::default() }))
}

/// A dictionary of nothing, of pairs, or of another one.
fn dictionary(heap: &mut Heap, of: Option<Value>) -> Result<Value> {
    let mut entries = Vec::new();
    if let Some(of) = of {
        heap.charge(heap.entries(of).len() + heap.elements(of).len())?;
        entries.extend_from_slice(heap.entries(of));
        for &pair in heap.elements(of) {
            let &[key, value] = heap.elements(pair) else { return Err("a dictionary is made of no pairs".into()) };
            entries.push((key, value));
        }
    }
    Ok(heap.add(Node::Dict(entries)))
}

/// Bytes that protocol 2 writes as a text, each a character.
fn encoded(heap: &mut Heap, value: Value) -> Result<Value> {
    heap.charge(match heap.get(value) {
        Some(Node::Text(text)) => text.len(),
        Some(Node::Bytes(bytes)) => bytes.len(),
        _ => 0,
    })?;
    let bytes = match heap.get(value) {
        Some(Node::Text(text)) => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>(),
        Some(Node::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let bytes = bytes.ok_or("its pickle is damaged: bytes are made of something else")?;
    Ok(heap.add(Node::Bytes(bytes)))
}

/// A NumPy scalar, where it is a plain number.
fn scalar(heap: &Heap, dtype: Value, bytes: Value) -> Option<Value> {
    let code = heap.text(*heap.object(dtype)?.args.first()?)?;
    let Some(Node::Bytes(bytes)) = heap.get(bytes) else { return None };
    let bytes = bytes.as_slice();
    Some(match code.trim_start_matches(['<', '=', '|']) {
        "f8" => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        "f4" => Value::Float(f32::from_le_bytes(bytes.try_into().ok()?).into()),
        "f2" => Value::Float(half::f16::from_le_bytes(bytes.try_into().ok()?).to_f64()),
        "i8" => Value::Int(i64::from_le_bytes(bytes.try_into().ok()?)),
        "i4" => Value::Int(i32::from_le_bytes(bytes.try_into().ok()?).into()),
        "i2" => Value::Int(i16::from_le_bytes(bytes.try_into().ok()?).into()),
        "i1" => Value::Int(i8::from_le_bytes(bytes.try_into().ok()?).into()),
        "u8" => Value::Int(u64::from_le_bytes(bytes.try_into().ok()?).try_into().ok()?),
        "u4" => Value::Int(u32::from_le_bytes(bytes.try_into().ok()?).into()),
        "u2" => Value::Int(u16::from_le_bytes(bytes.try_into().ok()?).into()),
        "u1" => Value::Int(bytes.first().copied()?.into()),
        "b1" => Value::Bool(*bytes.first()? != 0),
        _ => return None,
    })
}

/// The storage that a persistent id names: `('storage', class, key, place, length)`, in old files with a view at the end. Old
/// files have another kind for the source text of a class, which is passed over.
pub fn storage(heap: &mut Heap, id: Value) -> Result<Value> {
    let fault = || "its pickle is damaged: a storage is named by something else than PyTorch's tuple".to_owned();
    let &[kind, class, key, _place, ref rest @ ..] = heap.elements(id) else { return Err(fault()) };
    if heap.text(kind) == Some("module") {
        return Ok(class);
    }
    let (&Value::Int(len), view) = rest.split_first().ok_or_else(fault)? else { return Err(fault()) };
    let Some(Node::Global(class)) = heap.get(class) else { return Err(fault()) };
    let key = match (key, heap.text(key)) {
        (_, Some(text)) if text.len() <= 200 => text.to_owned(),
        (Value::Int(n), _) => n.to_string(),
        _ => return Err(fault()),
    };
    let whole = |v: &Value| if let Value::Int(n) = v { usize::try_from(*n).ok() } else { None };
    let offset = match view.first().map(|v| heap.elements(*v)) {
        Some([_, offset, _]) => whole(offset).ok_or_else(fault)?,
        _ => 0,
    };
    let len = usize::try_from(len).map_err(|_| fault())?;
    let dtype = class.rsplit('.').next().and_then(|name| name.strip_suffix("Storage")).and_then(of_storage);
    let named = Storage { key, dtype, class: class.clone(), len, offset };
    Ok(heap.add(Node::Storage(named)))
}

fn of_storage(name: &str) -> Option<Dtype> {
    Some(match name {
        "Float" => Dtype::F32,
        "Double" => Dtype::F64,
        "Half" => Dtype::F16,
        "BFloat16" => Dtype::BF16,
        "Long" => Dtype::I64,
        "Int" => Dtype::I32,
        "Short" => Dtype::I16,
        "Char" => Dtype::I8,
        "Byte" => Dtype::U8,
        "Bool" => Dtype::BOOL,
        _ => return None,
    })
}

fn of_name(name: &str) -> Option<Dtype> {
    Some(match name.strip_prefix("torch.")? {
        "float32" | "float" => Dtype::F32,
        "float64" | "double" => Dtype::F64,
        "float16" | "half" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "float8_e4m3fn" => Dtype::F8_E4M3,
        "float8_e5m2" => Dtype::F8_E5M2,
        "int64" | "long" => Dtype::I64,
        "int32" | "int" => Dtype::I32,
        "int16" | "short" => Dtype::I16,
        "int8" => Dtype::I8,
        "uint8" => Dtype::U8,
        "uint16" => Dtype::U16,
        "uint32" => Dtype::U32,
        "uint64" => Dtype::U64,
        "bool" => Dtype::BOOL,
        _ => return None,
    })
}

/// A tensor of a storage. `dtype` is PyTorch's name, where the call gives one.
fn rebuilt(heap: &mut Heap, of: Value, places: [Value; 3], dtype: Option<&str>) -> Result<Value> {
    let Some(Node::Storage(storage)) = heap.get(of) else {
        return Err("its pickle is damaged: a tensor has no storage".into());
    };
    let storage = storage.clone();
    let fault = || format!("a tensor of storage `{}` has no sizes that can be", storage.key);
    let whole = |v: &Value| if let Value::Int(n) = v { usize::try_from(*n).ok() } else { None };
    let sizes = |v: Value| heap.elements(v).iter().map(whole).collect::<Option<Vec<usize>>>().ok_or_else(fault);
    let [offset, shape, strides] = places;
    let offset = whole(&offset).and_then(|o| o.checked_add(storage.offset)).ok_or_else(fault)?;
    // `torch.Size` is kept as an object of what it was made with.
    let shape = heap.object(shape).and_then(|o| o.args.first().copied()).unwrap_or(shape);
    if heap.elements(shape).len().max(heap.elements(strides).len()) > MAX_DIMS {
        return Err(fault());
    }
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    if shape.len() != strides.len() {
        return Err(fault());
    }
    let known = dtype.map_or(storage.dtype, of_name);
    let Some(known) = known else {
        let class = format!("torch.Tensor of {}", dtype.unwrap_or(&storage.class));
        return Ok(object(heap, class, &[]));
    };
    Ok(heap.add(Node::Tensor(Tensor { storage, dtype: known, offset, shape, strides })))
}
