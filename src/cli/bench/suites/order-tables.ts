// Memory tables after TPC-C's new-order and payment: what a database would keep beside its log.
//
// Not TPC-C: two of its five transactions, no think times, uniform instead of skewed choice. Each transaction changes the
// tables and encodes one record that would be enough to do the same again. Source of tables and rules: TPC-C 5.11,
// clauses 2.4 and 2.5.

import { assert } from "../../../base/assert.js";

const districtsPerWarehouse = 10;
const customersPerDistrict = 3000;
const itemCount = 100_000;
const linesMin = 5;
const linesMax = 15;
/** Of a thousand new orders, those that name an item that does not exist: they change nothing. */
const refusedOfThousand = 10;
const restockBelow = 10;
const restock = 91;
/** Orders that a district keeps: older ones are delivered and gone. */
const ordersKept = 1024;
const lineBytes = 10;
const newOrderBytes = 24;
const paymentBytes = 24;

const kind = { newOrder: 1, payment: 2 } as const;

export class OrderTables {
  newOrders = 0;
  payments = 0;
  refused = 0;
  readonly #warehouses: number;
  readonly #itemCents: Uint32Array;
  readonly #stock: Int32Array;
  readonly #districtNextOrder: Uint32Array;
  readonly #districtCents: Float64Array;
  readonly #warehouseCents: Float64Array;
  readonly #customerCents: Float64Array;
  readonly #customerPayments: Uint32Array;
  readonly #orderCents: Float64Array;
  readonly #lineItems = new Uint32Array(linesMax);
  readonly #lineQuantities = new Uint16Array(linesMax);
  readonly #record = new Uint8Array(newOrderBytes + linesMax * lineBytes);
  readonly #view = new DataView(this.#record.buffer);
  #random: number;

  constructor(warehouses: number, seed: number) {
    const districts = warehouses * districtsPerWarehouse;
    this.#warehouses = warehouses;
    this.#random = seed >>> 0;
    this.#itemCents = Uint32Array.from({ length: itemCount }, () => 100 + this.#below(9901));
    this.#stock = Int32Array.from({ length: warehouses * itemCount }, () => restockBelow + this.#below(restock));
    this.#districtNextOrder = new Uint32Array(districts).fill(1);
    this.#districtCents = new Float64Array(districts);
    this.#warehouseCents = new Float64Array(warehouses);
    this.#customerCents = new Float64Array(districts * customersPerDistrict);
    this.#customerPayments = new Uint32Array(districts * customersPerDistrict);
    this.#orderCents = new Float64Array(districts * ordersKept);
  }

  get committed(): number {
    return this.newOrders + this.payments;
  }

  /** Runs one transaction, as often one kind as the other. Its record, valid until the next call; null when it was refused and changed nothing. */
  transact(): Uint8Array | null {
    const district = this.#below(this.#districtNextOrder.length);
    const customer = this.#below(customersPerDistrict);
    return this.#below(2) === 0 ? this.#newOrder(district, customer) : this.#payment(district, customer);
  }

  /** TPC-C's first two consistency conditions (3.3.2.1 and 3.3.2.2): money and orders add up. */
  demandConsistent(): void {
    for (let warehouse = 0; warehouse < this.#warehouses; warehouse++) {
      const districts = this.#districtCents.subarray(warehouse * districtsPerWarehouse, (warehouse + 1) * districtsPerWarehouse);
      assert(sumOf(districts) === this.#warehouseCents[warehouse], `the payments of warehouse ${String(warehouse)} are those of its districts`);
    }
    assert(sumOf(this.#districtNextOrder) - this.#districtNextOrder.length === this.newOrders, "every new order has a number");
    assert(sumOf(this.#customerPayments) === this.payments, "every payment has a customer");
  }

  #newOrder(district: number, customer: number): Uint8Array | null {
    const lines = linesMin + this.#below(linesMax - linesMin + 1);
    for (let line = 0; line < lines; line++) {
      this.#lineItems[line] = this.#below(itemCount);
      this.#lineQuantities[line] = 1 + this.#below(10);
    }
    if (this.#below(1000) < refusedOfThousand) {
      this.refused++;
      return null;
    }
    const order = this.#districtNextOrder[district] as number;
    this.#districtNextOrder[district] = order + 1;
    const stockAt = Math.floor(district / districtsPerWarehouse) * itemCount;
    let cents = 0;
    for (let line = 0; line < lines; line++) {
      const item = this.#lineItems[line] as number;
      const quantity = this.#lineQuantities[line] as number;
      const left = (this.#stock[stockAt + item] as number) - quantity;
      this.#stock[stockAt + item] = left >= restockBelow ? left : left + restock;
      const amount = (this.#itemCents[item] as number) * quantity;
      cents += amount;
      const at = newOrderBytes + line * lineBytes;
      this.#view.setUint32(at, item, true);
      this.#view.setUint16(at + 4, quantity, true);
      this.#view.setUint32(at + 6, amount, true);
    }
    this.#orderCents[district * ordersKept + (order % ordersKept)] = cents;
    this.#head(kind.newOrder, district, customer);
    this.#view.setUint32(12, order, true);
    this.#view.setUint8(1, lines);
    this.#view.setFloat64(16, cents, true);
    this.newOrders++;
    return this.#record.subarray(0, newOrderBytes + lines * lineBytes);
  }

  #payment(district: number, customer: number): Uint8Array {
    const cents = 100 + this.#below(499_901);
    const warehouse = Math.floor(district / districtsPerWarehouse);
    const account = district * customersPerDistrict + customer;
    this.#warehouseCents[warehouse] = (this.#warehouseCents[warehouse] as number) + cents;
    this.#districtCents[district] = (this.#districtCents[district] as number) + cents;
    this.#customerCents[account] = (this.#customerCents[account] as number) - cents;
    this.#customerPayments[account] = (this.#customerPayments[account] as number) + 1;
    this.#head(kind.payment, district, customer);
    this.#view.setUint32(12, this.#customerPayments[account], true);
    this.#view.setFloat64(16, cents, true);
    this.payments++;
    return this.#record.subarray(0, paymentBytes);
  }

  #head(what: number, district: number, customer: number): void {
    this.#view.setUint8(0, what);
    this.#view.setUint16(2, 0, true);
    this.#view.setUint32(4, district, true);
    this.#view.setUint32(8, customer, true);
  }

  /** An integer from 0, by xorshift32: cheap enough to be no share of a transaction. */
  #below(limit: number): number {
    let value = this.#random;
    value ^= value << 13;
    value ^= value >>> 17;
    value ^= value << 5;
    this.#random = value >>> 0;
    return this.#random % limit;
  }
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index] as number;
  return sum;
}
