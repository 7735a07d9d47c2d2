"""Fills an empty Tryton database with a small company that sells on the web. Everything in it is invented.

usage: setup.py DATABASE CONFIGURATION     (the modules `sale` and `web_shop` are activated already)
"""

import os
import sys
from decimal import Decimal

# The database back end is chosen when trytond is imported.
os.environ['TRYTOND_CONFIG'] = sys.argv[2]

from proteus import Model, config  # noqa: E402
from trytond.modules.account.tests.tools import (  # noqa: E402
    create_chart, create_fiscalyear, create_tax, get_accounts)
from trytond.modules.account_invoice.tests.tools import (  # noqa: E402
    create_payment_term, set_fiscalyear_invoice_sequences)
from trytond.modules.company.tests.tools import (  # noqa: E402
    create_company, get_company)

proteus = config.set_trytond(database=sys.argv[1], config_file=sys.argv[2])

Currency = Model.get('currency.currency')
currencies = {}
for code, name, digits in (('EUR', 'Euro', 2), ('USD', 'US Dollar', 2), ('JPY', 'Yen', 0), ('KWD', 'Dinar', 3)):
    currency = Currency(name=name, symbol=code, code=code, digits=digits, rounding=Decimal(1).scaleb(-digits))
    currency.rates.new(rate=Decimal(1))
    currency.save()
    currencies[code] = currency

create_company(currency=currencies['EUR'])
company = get_company()
proteus._context = Model.get('res.user').get_preferences(True, {})

year = set_fiscalyear_invoice_sequences(create_fiscalyear(company))
year.click('create_period')
create_chart(company)
accounts = get_accounts(company)

for name, rate in (
        ('VAT 21%', '.21'), ('VAT 10%', '.10'), ('VAT 4%', '.04'),
        ('GST 5%', '.05'), ('PST 7%', '.07'), ('State 8.875%', '.08875')):
    tax = create_tax(Decimal(rate))
    tax.name = tax.description = name
    tax.save()
# A tax whose children make it up: what the connector cannot foresee, and says so.
group = Model.get('account.tax')(name='Canada', description='Canada', type='none', company=company)
group.save()
for name, rate in (('Federal', '.05'), ('Provincial', '.09975')):
    child = create_tax(Decimal(rate))
    child.name = child.description = name
    child.parent = group
    child.save()

term = create_payment_term()
term.name = 'Paid in the shop'
term.save()

Category = Model.get('product.category')
goods = Category(
    name='Goods', accounting=True, account_expense=accounts['expense'], account_revenue=accounts['revenue'])
goods.save()

Uom = Model.get('product.uom')
unit, = Uom.find([('name', '=', 'Unit')])
kilogram, = Uom.find([('name', '=', 'Kilogram')])
Template = Model.get('product.template')


def product(code, name, type='goods', uom=unit, salable=True):
    template = Template(
        name=name, code=code, default_uom=uom, type=type, salable=salable, list_price=Decimal('10.00'),
        account_category=goods)
    template.save()


for number in range(1, 21):
    product('ART-%02d' % number, 'Article %d' % number)
product('COFFEE', 'Coffee beans', uom=kilogram)
product('RETIRED', 'An article that is no longer sold', salable=False)
for code in ('SHIPPING', 'TIP', 'DUTY', 'FEE', 'DISCOUNT', 'ROUNDING', 'CREDIT', 'GIFT-CARD', 'CUSTOM', 'ADJUSTMENT', 'REFUND'):
    product(code, code.capitalize(), type='service')

warehouse, = Model.get('stock.location').find([('type', '=', 'warehouse')])
shop = Model.get('web.shop')(name='Web', company=company, currency=currencies['EUR'])
shop.warehouses.append(type(warehouse)(warehouse.id))
shop.save()

# What the connector needs, and no administrator's rights.
User, Group = Model.get('res.user'), Model.get('res.group')
user = User(name='Puente', login='puente', password='integration-pw-1')
for group in Group.find([]):
    if group.name in {'Sales', 'Sales Administrator', 'Party Administration', 'Accounting'}:
        user.groups.append(Group(group.id))
user.companies.append(company)
user.company = company
user.save()
print(sorted(g.name for g in Group.find([])), company.id, shop.id)
