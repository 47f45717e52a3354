-- A page's description, for search engines and previews: how its first paragraph begins (else its heading), as plain text.
-- The home page has the book's own, from _quarto.yml.  Under Quarto this filter stands there, too; press runs it when it reads.
local LONGEST = 200 -- characters

local function plain(math)
  local tex = math.text:gsub("\\[dt]?frac%s*{([^{}]*)}%s*{([^{}]*)}", "%1/%2"):gsub("\\sqrt%s*{([^{}]*)}", "√{%1}")
  local inline = pandoc.Plain({pandoc.Math("InlineMath", tex)})
  local text = pandoc.write(pandoc.Pandoc({inline}), "plain", {wrap_text = "none"})
  text = text:gsub("_%(([^()]*)%)", "%1"):gsub("%^%(([^()]*)%)", "^%1"):gsub("(%w)=", "%1 =")
  return pandoc.Str((text:gsub("[\n_\\${}]", "")))
end

local function shortened(text)
  if pandoc.text.len(text) <= LONGEST then return text end
  local head = pandoc.text.sub(text, 1, LONGEST)
  local sentence = head:match("^(.*%l%l[.!?]) ")
  return sentence and #sentence > LONGEST / 3 and sentence or head:gsub("[%s,;:]+%S*$", "") .. " …"
end

function Pandoc(doc)
  local reading = FORMAT:match("html") or FORMAT == "json"
  if not reading or quarto and pandoc.path.filename(quarto.doc.input_file) == "index.qmd" then return nil end
  local first = doc.blocks:find_if(function(block) return block.t == "Para" end)
    or doc.blocks:find_if(function(block) return block.t == "Header" end)
    or doc.meta.title and pandoc.Plain(pandoc.utils.stringify(doc.meta.title)) -- where Quarto has put the heading
  if not first then return nil end
  local words = first:walk({
    Math = plain,
    Note = function() return {} end,
    Cite = function() return {} end,
    Quoted = function(quoted)
      local marks = quoted.quotetype == "DoubleQuote" and {"“", "”"} or {"‘", "’"}
      return pandoc.List({pandoc.Str(marks[1])}) .. quoted.content .. {pandoc.Str(marks[2])}
    end,
    RawInline = function() return {} end,
  })
  local thin, unbroken = "\xe2\x80[\x80-\x8a\xaf]", "\u{a0}" -- spaces too
  local text = pandoc.utils.stringify(words):gsub(thin, " "):gsub(unbroken, " "):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""):gsub(" ([.,;:])", "%1")
  if text ~= "" then doc.meta["description-meta"] = pandoc.MetaString(shortened(text)) end
  return doc
end
