-- A head names all documents of its order, each with the version it carries. Before there was one, the sale, and nobody kept its version.
UPDATE head
SET json = json_remove(
    json_set(
        json,
        '$.schema', 2,
        '$.steps', 1,
        '$.booked', json_array(json_object(
            'reference', connection || '/' || id,
            'kind', 'sale',
            'document', json(json -> '$.document')
        ))
    ),
    '$.document'
)
WHERE json -> '$.document' IS NOT NULL;
