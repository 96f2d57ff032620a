// A result: each part of its summary as what shows it best.

import { useContext, useEffect, useState } from "preact/hooks";
import { Bar, Ends, Interval, Lines, joined, range } from "./charts.jsx";
import { Host } from "./context.js";
import { isNumber, partName, percent, plain, short } from "./format.js";
import { callTool, textOf } from "./host.js";
import { Table } from "./table.jsx";
import { isDark } from "./theme.js";

// More lines in one chart cannot be told apart.
const MOST_LINES = 6;
// From so many numbers on, a list is a curve.
const A_CURVE = 4;
// Where functions keep what the rows and columns of their expectation values belong to.
const AXES = new Set(["parameter_values", "observables"]);
// So many characters get a box that scrolls.
const A_LONG_TEXT = 300;
const OUTCOME = /^[01 ]+$/;

export function Result({ view }) {
  const { parts = [], omitted_parts: omitted, bit_order: bitOrder } = view.result;
  // Rows with these as their names need not say them again.
  const isNamed = parts.some((part) => part.row_labels || part.columns);
  const hasPubs = parts.some((part) => part.kind === "primitive_result" && part.size > 1);
  const shown = parts
    .filter((part) => !(isNamed && part.pointer.split("/").some((token) => AXES.has(token))))
    .map((part) => ({ part, at: partName(part.pointer, hasPubs) }))
    .map(({ part, at }) => ({ part, at, sections: sectionsOf(part, at, isNamed) }))
    .filter(({ sections }) => sections.length);
  let circuits = 0;
  return (
    <>
      {shown.map(({ part, at, sections }) =>
        sections.map(({ title, Shown, ...facts }) => {
          const name = title ?? (at || "Result");
          const file = `${view.job_id}-${name}`.replace(/[^\w.-]+/g, "-").slice(0, 80);
          const isFirst = part.kind === "circuit" && circuits++ === 0;
          return (
            <section>
              <h3><bdi>{name}</bdi></h3>
              <Shown part={part} name={name} file={file} jobId={view.job_id} isFirst={isFirst} {...facts} />
            </section>
          );
        }),
      )}
      {!shown.length && <p>The result is empty.</p>}
      {bitOrder && <p class="faint">Bit 0 of a register is the rightmost.</p>}
      {omitted && <p class="faint">{short(omitted)} further parts are not shown; the assistant can save the whole result.</p>}
    </>
  );
}

// What a part is shown as: components with what they need beside the part, in order. A part that only holds others,
// which follow it, is shown as nothing.
function sectionsOf(part, at, isNamed) {
  const { kind, value } = part;
  const titled = (name) => [name, at].filter(Boolean).join(", ");
  if (kind === "sampler_pub")
    return Object.entries(part.registers ?? {}).map(([name, counts]) => ({
      title: titled(name),
      Shown: Counts,
      counts,
      pointer: `${part.pointer}/data/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`,
    }));
  if (kind === "counts") return [{ title: at || "Counts", Shown: Counts, counts: part.counts, pointer: part.pointer }];
  if (kind === "estimator_pub") return [{ title: titled("Expectation values"), Shown: Expectations }];
  if (kind === "circuit") return [{ title: at || "Circuit", Shown: Circuit }];
  if (kind === "distribution") return [{ Shown: Weights, weights: part.terms }];
  if (kind === "operator") return [{ Shown: Terms }];
  if (kind === "array" || kind === "sparse_matrix") return [{ Shown: part.values ? ArrayView : Facts }];
  if (kind === "text") return [{ Shown: Text }];
  if (kind === "list") return value === undefined ? [] : [{ Shown: List, list: value }];
  if (kind !== "object") return "value" in part || part.reason ? [{ Shown: Facts }] : [];
  if (!value) return [];
  // An object shows what is short in it: numbers and texts together, lists and counts each by itself.
  const entries = Object.entries(value).filter(([name]) => !(isNamed && AXES.has(name)));
  if (isWeights(value)) return [{ Shown: Weights, weights: entries }];
  const large = entries.filter(([, item]) => isWeights(item) || isTable(item));
  const small = entries.filter((entry) => !large.includes(entry));
  return [
    ...(small.length ? [{ Shown: Pairs, pairs: small }] : []),
    ...large.map(([name, item]) =>
      Array.isArray(item)
        ? { title: titled(name.replaceAll("_", " ")), Shown: List, list: item }
        : { title: titled(name.replaceAll("_", " ")), Shown: Weights, weights: Object.entries(item) },
    ),
  ];
}

const isTable = (value) =>
  Array.isArray(value) && (value.length >= A_CURVE || value.some((item) => item !== null && typeof item === "object"));

const isWeights = (value) =>
  value !== null &&
  typeof value === "object" &&
  !Array.isArray(value) &&
  Object.keys(value).length > 0 &&
  Object.entries(value).every(([key, item]) => OUTCOME.test(key) && isNumber(item));

function Counts({ counts, name, file, pointer, jobId }) {
  const { shots, shape, top, other_outcomes: others, other_count: otherCount, distinct } = counts;
  const rows = top.map(({ bits, count, probability }) => [bits, count, probability]);
  const summed = shape ? `, over all ${short(shape.reduce((a, b) => a * b, 1))} points of a sweep` : "";
  return (
    <>
      <p class="faint">
        {short(shots)} shots{shape && " a point"}{summed}, {short(distinct)} different outcomes
      </p>
      <Outcomes rows={rows} names={["Outcome", "Count", "Share"]} share={2} name={name} file={file} />
      {others && (
        <p class="faint">{short(others)} rarer outcomes, with {short(otherCount)} shots together, are not here.</p>
      )}
      {shape && <Picture jobId={jobId} pointer={pointer} what="the probabilities along the sweep" />}
    </>
  );
}

function Weights({ weights, name, file, part }) {
  const sum = weights.reduce((total, [, weight]) => total + (isNumber(weight) ? weight : 0), 0);
  const isCounts = weights.every(([, weight]) => Number.isInteger(weight));
  const rows = weights.map(([outcome, weight]) => [outcome, weight, ...(isCounts ? [weight / (sum || 1)] : [])]);
  rows.sort((a, b) => b[1] - a[1]);
  const names = isCounts ? ["Outcome", "Count", "Share"] : ["Outcome", "Weight"];
  return (
    <>
      <Outcomes rows={rows} names={names} share={isCounts ? 2 : 1} name={name} file={file} />
      <Omitted part={part} />
    </>
  );
}

const CUT_OFFS = [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

function Outcomes({ rows, names, share, name, file }) {
  const { scale } = useContext(Host);
  const [step, setStep] = useState(0);
  const cutOff = CUT_OFFS[step];
  const shown = rows.filter((row) => row[share] >= cutOff || cutOff === 0);
  const largest = Math.max(scale.shares?.[name] ?? 0, ...rows.map((row) => row[share]));
  const hidden = rows.length - shown.length;
  const columns = names.map((name, at) => ({ name, isCode: at === 0 }));
  if (names[2]) {
    columns[1].draw = (row) => <>{short(row[1])} <span class="faint share">{percent(row[2])}</span></>;
    columns[2].isUnseen = true;
  }
  columns.splice(1, 0, { name: "Bar", head: <span class="unseen">Bar</span>, isChart: true, draw: (row) => <Bar share={row[share]} largest={largest} /> });
  return (
    <>
      {rows.length > 4 && (
        <label class="cut">
          Hide outcomes below{" "}
          <input
            type="range"
            min="0"
            max={CUT_OFFS.length - 1}
            value={step}
            aria-valuetext={percent(cutOff)}
            onInput={(event) => setStep(Number(event.currentTarget.value))}
          />
          <output>{percent(cutOff)}{hidden > 0 && `: ${short(hidden)} hidden`}</output>
        </label>
      )}
      <Table caption={`Counts of ${name}`} file={file} columns={columns} rows={shown} sorted={{ at: 1, isDown: true }} />
    </>
  );
}

// Expectation values: a line for each observable along a sweep, else an interval for each value.
function Expectations({ part, name, file, jobId }) {
  const { scale } = useContext(Host);
  const { values, stds, row_labels: labels, columns, shape = [] } = part;
  const rows = values.map((row) => [row].flat());
  const errors = stds?.map((row) => [row].flat());
  const sweep = sweepOf(labels, rows.length, !columns && rows.every((row) => row.length === 1));
  const width = rows[0]?.length ?? 0;
  if (sweep && rows.length > 1 && width <= MOST_LINES) {
    const series = Array.from({ length: width }, (_, at) => ({
      name: columns?.[at] ?? (width > 1 ? `observable ${at}` : name),
      values: rows.map((row) => row[at]),
      errors: errors?.map((row) => row[at]),
    }));
    const named = [sweep.name, ...series.flatMap((one) => [one.name, ...(errors ? [`error of ${one.name}`] : [])])];
    const table = rows.map((row, at) => [
      sweep.xs[at],
      ...row.flatMap((value, column) => [value, ...(errors ? [errors[at][column]] : [])]),
    ]);
    return (
      <>
        <Curves name={`${name} against ${sweep.name}`} xs={sweep.xs} xName={sweep.name} series={series} isShared />
        <Numbers caption={name} file={file} names={named} rows={table} />
        <Omitted part={part} />
      </>
    );
  }
  const flat = rows.flatMap((row, at) =>
    row.map((value, column) => {
      const label = labels?.[at] ?? {};
      const where = [label.observable ?? nameOf(label), columns?.[column]].filter(Boolean).join(", ");
      const index = [rows.length > 1 ? at : null, row.length > 1 ? column : null].filter((n) => n !== null).join(", ");
      return [where || index || name, value, errors?.[at]?.[column] ?? null];
    }),
  );
  const domain = scale.values ?? range(flat.map((row) => row[1]), flat.map((row) => row[2]));
  const head = <><span class="unseen">Value on a line from</span><Ends domain={domain} /></>;
  const shown = [
    { name: labels || columns ? "Observable" : flat.length > 1 ? "Index" : "Name", isCode: true },
    { name: "Line", head, isChart: true, draw: (row) => <Interval value={row[1]} error={row[2]} domain={domain} /> },
    { name: "Expectation value", head: "Value", draw: (row) => short(row[1]) + (isNumber(row[2]) ? ` ± ${short(row[2])}` : "") },
    ...(errors ? [{ name: "Standard error", isUnseen: true }] : []),
  ];
  return (
    <>
      <Table caption={name} file={file} columns={shown} rows={errors ? flat : flat.map((row) => row.slice(0, 2))} />
      <Omitted part={part} />
      {shape.length > 1 && width > MOST_LINES && <Picture jobId={jobId} pointer={part.pointer} what="them" />}
    </>
  );
}

const nameOf = (label) => Object.entries(label).map(([name, value]) => `${name} = ${short(value)}`).join(", ");

// The axis of a sweep: the only parameter that changes, else the number of the parameter set. None for rows that are
// observables, or that are few and have no names.
function sweepOf(labels, count, isBare) {
  if (!labels) return isBare && count <= MOST_LINES ? null : { name: "parameter set", xs: [...Array(count).keys()] };
  if (labels.some((label) => "observable" in label)) return null;
  const changing = Object.keys(labels[0] ?? {}).filter((name) => new Set(labels.map((label) => plain(label[name]))).size > 1);
  const xs = labels.map((label) => label[changing[0]]);
  if (changing.length === 1 && xs.every(isNumber)) return { name: changing[0], xs };
  return { name: "parameter set", xs: [...Array(count).keys()] };
}

function Curves({ name, xs, xName, series, isShared }) {
  const { scale } = useContext(Host);
  const own = joined(series.map((one) => range(one.values, one.errors)));
  return <Lines name={name} xs={xs} xName={xName} series={series} domain={(isShared && scale.values) || own} />;
}

// The numbers of a chart, folded away.
const Numbers = ({ names, ...more }) => (
  <details>
    <summary>Numbers</summary>
    <Table columns={names.map((name) => ({ name }))} {...more} />
  </details>
);

function ArrayView({ part, name, file, jobId }) {
  const { values, shape, dtype, min, max } = part;
  const about = [shape && `shape ${shape.join(" × ")}`, dtype, isNumber(min) && `from ${short(min)} to ${short(max)}`];
  return (
    <>
      <p class="faint">{about.filter(Boolean).join(", ")}</p>
      <List list={values} name={name} file={file} part={part} />
      {shape?.length > 1 && <Picture jobId={jobId} pointer={part.pointer} what="it" />}
    </>
  );
}

// A list: a curve of numbers, curves of few columns of numbers, else a table.
function List({ list, name, file, part }) {
  const isMatrix = list.length > 0 && list.every((row) => Array.isArray(row) && row.length === list[0].length);
  const isRecords = list.length > 0 && list.every((row) => row !== null && typeof row === "object" && !Array.isArray(row) && !row.$complex);
  const keys = isRecords ? [...new Set(list.flatMap(Object.keys))] : [];
  const rows = isRecords
    ? list.map((row, at) => [at, ...keys.map((key) => row[key] ?? null)])
    : list.map((row, at) => [at, ...(isMatrix ? row : [row])]);
  const width = (rows[0]?.length ?? 1) - 1;
  const names = ["index", ...(isRecords ? keys : isMatrix ? list[0].map((_, at) => `column ${at}`) : ["value"])];
  const isCurve =
    !isRecords && list.length >= A_CURVE && width <= MOST_LINES && rows.every((row) => row.every((item) => isNumber(item) || item === "nan"));
  const table = { caption: `Values of ${name}`, file, rows };
  const more = <Omitted part={part} />;
  if (!isCurve) return <><Table columns={names.map((column) => ({ name: column }))} {...table} />{more}</>;
  const series = Array.from({ length: width }, (_, at) => ({ name: names[at + 1], values: rows.map((row) => row[at + 1]) }));
  return (
    <>
      <Curves name={`${name}, ${short(list.length)} values`} xs={rows.map((row) => row[0])} xName="index" series={series} />
      <Numbers names={names} {...table} />
      {more}
    </>
  );
}

const Pairs = ({ pairs }) => (
  <dl>
    {pairs.map(([name, value]) => (
      <div>
        <dt><bdi>{name.replaceAll("_", " ")}</bdi></dt>
        {plain(value).length > A_LONG_TEXT ? (
          <dd class="long" tabindex="0"><bdi>{plain(value)}</bdi></dd>
        ) : (
          <dd><bdi>{value === null ? "None" : isNumber(value) ? short(value) : plain(value)}</bdi></dd>
        )}
      </div>
    ))}
  </dl>
);

function Facts({ part }) {
  const { pointer, kind, reason, metadata, value, ...facts } = part;
  const given = value === null || typeof value !== "object" || value.$complex ? { value } : value;
  const pairs = Object.entries({ ...facts, ...given }).filter(([, item]) => item !== undefined);
  return (
    <>
      {reason && <p dir="auto">{reason}</p>}
      <Pairs pairs={pairs} />
    </>
  );
}

const Terms = ({ part, name, file }) => (
  <>
    <p class="faint">{part.num_qubits} qubits, {short(part.size)} terms</p>
    <Table
      caption={`Terms of ${name}`}
      file={file}
      columns={[{ name: "Term", isCode: true }, { name: "Coefficient" }]}
      rows={(part.terms ?? []).map(([label, number]) => [label, number])}
    />
    <Omitted part={part} />
  </>
);

const Text = ({ part }) => (
  <>
    <pre tabindex="0" dir="auto">{part.value}</pre>
    {part.reason && <p class="faint" dir="auto">{part.reason}</p>}
    <Omitted part={part} what="characters" />
  </>
);

const Omitted = ({ part, what = "rows" }) =>
  part.omitted || part.omitted_columns ? (
    <p class="faint">
      {part.omitted ? `${short(part.omitted)} more ${what}` : `${short(part.omitted_columns)} more columns`} are not here;
      the assistant can save the whole result.
    </p>
  ) : null;

function Circuit({ part, jobId, isFirst }) {
  const operations = Object.entries(part.operations ?? {}).map(([gate, times]) => `${times} ${gate}`).join(", ");
  const facts = [
    ["Qubits", part.num_qubits],
    ["Classical bits", part.num_clbits],
    ["Depth", part.depth],
    ["Two-qubit depth", part.two_qubit_depth],
    ["Operations", operations],
    ["Parameters", part.parameters?.join(", ")],
  ];
  return (
    <>
      <Pairs pairs={facts.filter(([, value]) => value !== undefined && value !== "")} />
      <Picture jobId={jobId} pointer={part.pointer} what="it" isShown={isFirst} />
      {part.openqasm && (
        <details>
          <summary>OpenQASM</summary>
          <pre tabindex="0">{part.openqasm}</pre>
        </details>
      )}
    </>
  );
}

// A picture that the server draws: pixels, so that nothing in it can run.
function Picture({ jobId, pointer, what, isShown = false }) {
  const { canCall, theme } = useContext(Host);
  const [isWanted, setWanted] = useState(isShown);
  const [drawn, setDrawn] = useState({});
  const tone = isDark(theme) ? "dark" : "light";
  useEffect(() => {
    if (!isWanted || !canCall) return undefined;
    let isGone = false;
    callTool("get_job_result", { job_id: jobId, path: pointer, view: "plot", theme: tone }).then(
      (result) => {
        const image = result.content.find((block) => block.type === "image" && block.mimeType === "image/png");
        let caption;
        try {
          caption = JSON.parse(textOf(result)).picture;
        } catch {
          // A host may have cut the text; the picture still shows.
        }
        if (!isGone) setDrawn(image ? { url: `data:image/png;base64,${image.data}`, caption } : { trouble: "no picture came" });
      },
      (error) => !isGone && setDrawn({ trouble: error.message }),
    );
    return () => {
      isGone = true;
    };
  }, [isWanted, canCall, tone, jobId, pointer]);
  if (!canCall) return null;
  if (!isWanted) return <p><button type="button" onClick={() => setWanted(true)}>Draw {what} as a picture</button></p>;
  if (drawn.trouble) return <p class="faint" dir="auto">Not drawn: {drawn.trouble}</p>;
  if (!drawn.url) return <p class="faint" role="status">Drawing …</p>;
  return <div class="scroll" tabindex="0" role="region" aria-label="Picture"><img src={drawn.url} alt={drawn.caption ?? "Picture"} /></div>;
}

// The scale on which results can be compared: the largest share in the registers of a name, and the range of all
// expectation values.
export function scaleOf(results) {
  const shares = {};
  const ranges = [];
  for (const part of results.flatMap((result) => result?.parts ?? [])) {
    for (const [name, counts] of Object.entries(part.registers ?? {}))
      shares[name] = Math.max(shares[name] ?? 0, ...counts.top.map((outcome) => outcome.probability));
    if (part.kind === "estimator_pub" && part.values) ranges.push(range(part.values.flat(), part.stds?.flat()));
  }
  return { shares, values: ranges.length ? joined(ranges) : undefined };
}
