"""Fills an Odoo database, whose modules are installed, with a small Spanish company that sells on the web. Everything is invented.

For `odoo shell`, which gives `env`: the administrator's. Writes the keys of the two users to the file that PUENTE_KEYS names.
"""

import datetime
import json
import os

company = env.company
ref, models = env.ref, env

company.write({'name': 'Tienda', 'country_id': ref('base.es').id})
models['account.chart.template'].try_loading('es_pymes', company=company, install_demo=False)
assert company.currency_id.name == 'EUR' and company.chart_template == 'es_pymes'

currencies = models['res.currency'].with_context(active_test=False)
for code in ('EUR', 'USD', 'GBP', 'JPY', 'KWD'):
    currency = currencies.search([('name', '=', code)])
    currency.active = True
    # One to one: what is compared is rounding, not exchange.
    currency.rate_ids.unlink()

# Pricelists are archived with the feature, so the feature comes first.
models['res.config.settings'].create({'group_product_pricelist': True}).execute()
models['product.pricelist'].search([]).active = False
for sequence, code in enumerate(('EUR', 'USD', 'GBP', 'JPY', 'KWD')):
    currency = currencies.search([('name', '=', code)])
    models['product.pricelist'].create({'name': code, 'currency_id': currency.id, 'sequence': sequence})

vat = models['account.tax'].search([('type_tax_use', '=', 'sale'), ('amount', '=', 21)], limit=1)


def tax(name, percent, **more):
    return models['account.tax'].create({
        'name': name, 'type_tax_use': 'sale', 'amount_type': 'percent', 'amount': percent,
        'tax_group_id': vat.tax_group_id.id, 'country_id': company.country_id.id, **more})


for percent in (21, 10, 4):
    tax('VAT %d%%' % percent, percent, price_include_override='tax_excluded')
    tax('VAT %d%% included' % percent, percent, price_include_override='tax_included')
for name, percent in (('GST 5%', 5), ('PST 7%', 7), ('State 8.875%', 8.875)):
    tax(name, percent, price_include_override='tax_excluded')
# A tax whose children make it up: what the connector cannot foresee, and says so.
children = [tax(name, percent) for name, percent in (('Federal', 5), ('Provincial', 9.975))]
tax('Canada', 0, amount_type='group', children_tax_ids=[(6, 0, [child.id for child in children])])


def product(code, name, **more):
    # No default taxes: whatever is taxed here was sent with its taxes.
    models['product.product'].create({
        'name': name, 'default_code': code, 'list_price': 10, 'type': 'consu', 'is_storable': True,
        'taxes_id': [(5,)], 'supplier_taxes_id': [(5,)], **more})


for number in range(1, 21):
    product('ART-%02d' % number, 'Article %d' % number)
product('COFFEE', 'Coffee beans', uom_id=ref('uom.product_uom_kgm').id)
product('RETIRED', 'An article that is no longer sold', sale_ok=False)
for code in ('SHIPPING', 'TIP', 'DUTY', 'FEE', 'DISCOUNT', 'ROUNDING', 'CREDIT', 'GIFT-CARD', 'CUSTOM', 'ADJUSTMENT', 'REFUND'):
    product(code, code.capitalize(), type='service', is_storable=False)

# What the connector needs, and no administrator's rights.
groups = ('base.group_user', 'sales_team.group_sale_salesman_all_leads', 'base.group_partner_manager', 'account.group_account_invoice')
user = models['res.users'].create({
    'name': 'Puente', 'login': 'puente', 'password': 'integration-pw-1', 'lang': 'en_US', 'tz': 'UTC',
    'group_ids': [(6, 0, [ref(group).id for group in groups])]})

# The keys outlive the template, however long it is kept.
ref('base.group_user').api_key_duration = 10_000
until = datetime.datetime.now() + datetime.timedelta(days=9_000)
keys = {
    who.login: models['res.users.apikeys'].with_user(who)._generate('rpc', 'puente', until)
    for who in (ref('base.user_admin'), user)}
env.cr.commit()
with open(os.environ['PUENTE_KEYS'], 'w') as file:
    json.dump(keys, file)
