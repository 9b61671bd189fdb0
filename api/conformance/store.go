package conformance

import (
	"fmt"
	"strings"
)

const (
	storePath      = "/apis/v1/stores"
	categoriesPath = "/apis/v1/categories"
	productsPath   = "/apis/v1/products"
)

// opensStore enables the store of a server.
func (c caller) opensStore(in club) {
	c.put(storePath, object{"serverId": in.id, "isEnabled": true, "title": "Rewards"}).expect(200)
}

// makesCategory makes a category in the store of a server, which is enabled then, and returns its id.
func (c caller) makesCategory(in club, changes object) string {
	c.opensStore(in)
	return c.post(categoriesPath, object{"serverId": in.id, "name": "conf-" + unknownID()}.and(changes)).expect(201).text("/data/_id")
}

// makesProduct makes a product in the store of a server, which is enabled then, and returns its id.
func (c caller) makesProduct(in club, changes object) string {
	c.opensStore(in)
	return c.post(productsPath, object{"serverId": in.id, "name": "Mug", "price": 10}.and(changes)).expect(201).text("/data/_id")
}

// conflictsAt wants a conflict because of one part of the request, or for one reason there.
func (a *answer) conflictsAt(pointer string, code ...string) *answer {
	a.expect(409).is("/data/fields/0/pointer", pointer)
	for _, code := range code {
		a.is("/data/fields/0/code", code)
	}
	return a
}

// holds wants so many items in a list.
func (a *answer) holds(pointer string, n int) *answer {
	if got := len(a.list(pointer)); got != n {
		a.fail("%s has %d items, want %d", pointer, got, n)
	}
	return a
}

// store are the test cases of the tag store.
var store = []testCase{
	{"STORE-CONFIG-01", "getStore updateStore", "a store is not enabled without a title, what is given of it changes, and HTML in it does no harm", func(s *session) {
		club := s.a.makesServer("Chess club")
		at := storePath + "?serverId=" + club.id
		s.a.get(at).expect(200).says("Read store config success.").is("/data/isEnabled", false).is("/data/communityID", club.id)
		s.a.put(storePath, object{"serverId": club.id, "isEnabled": true}).refuses("/title", "")
		got := s.a.put(storePath, object{"serverId": club.id, "isEnabled": true, "title": "Rewards", "description": `<p>Hi<script>alert(1)</script><a href="javascript:x()" onclick="x()">go</a></p>`}).
			expect(200).says("Update store config success.").is("/data/title", "Rewards")
		if text := got.text("/data/description"); strings.Contains(text, "script") || strings.Contains(text, "onclick") || !strings.Contains(text, "<p>Hi") {
			got.fail("/data/description still has what does harm, or has lost the rest")
		}
		s.a.put(storePath, object{"serverId": club.id, "currency": object{"isEnabled": true, "name": "Pawns"}}).expect(200).is("/data/title", "Rewards")
		s.b.joins(club)
		s.a.put(storePath, object{"serverId": club.id, "widget": object{"isEnabled": true, "testUsers": []any{"vera"}}}).expect(200).is("/data/widget/testUsers/0", "vera").is("/data/widgetID", nil)
		s.b.get(at).expect(200).is("/data/widget/isEnabled", true).lacks("/data/widget/testUsers")
		s.a.get(at).expect(200).is("/data/widget/testUsers/0", "vera")
		s.a.get(at+"&fields=currency").expect(200).is("/data/currency/name", "Pawns").lacks("/data/title")
		s.a.get(at+"&fields=apiKey").refuses("query/fields", "")
	}},
	{"STORE-CATEGORY-01", "createCategory updateCategory deleteCategory createProduct deleteProduct", "a name is one category's in its community, whatever its case, and a category that holds products stays", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		first, second := s.a.makesCategory(club, object{"name": "Mugs"}), s.a.makesCategory(club, nil)
		s.a.post(categoriesPath, object{"serverId": club.id, "name": "MUGS"}).conflictsAt("/name")
		s.a.put(categoriesPath+"/"+second, object{"name": "mugs"}).expect(409)
		s.a.put(categoriesPath+"/"+first, object{"name": "mugs", "displayOrder": 3}).expect(200).is("/data/name", "mugs")
		s.a.makesCategory(other, object{"name": "Mugs"})
		mug := s.a.makesProduct(club, object{"categoryName": "MUGS"})
		s.a.delete(categoriesPath + "/" + first).expect(409)
		s.a.delete(productsPath + "/" + mug).expect(200)
		s.a.delete(categoriesPath + "/" + first).expect(200).says("Delete category success.")
		s.a.get(categoriesPath + "/" + first).expect(404)
	}},
	{"STORE-LIST-01", "listProducts createProduct", "products are listed in an order, by a part of their name and by what they must have, in parts; a wrong question says where it is wrong", func(s *session) {
		club := s.a.makesServer("Chess club")
		in := s.a.makesCategory(club, nil)
		third := s.a.makesProduct(club, object{"name": "Clock", "price": 30, "displayOrder": 5})
		first, second := s.a.makesProduct(club, object{"name": "Board", "price": 20, "categoryID": in}), s.a.makesProduct(club, object{"name": "apron", "price": 10, "isArchived": true})
		at := productsPath + "?serverId=" + club.id
		list := func(query string, ids ...string) {
			got := s.a.get(at+query).expect(200).says("Read products success.").holds("/data", len(ids))
			for i, id := range ids {
				got.is(fmt.Sprintf("/data/%d/_id", i), id)
			}
		}
		list("", first, second, third)
		list("&sort=price:desc", third, first, second)
		list("&sort=name", second, first, third)
		list("&search=keyword:OAR", first)
		list("&filter=isArchived:false", first, third)
		list("&filter=categoryID:"+in, first)
		list("&skip=1&limit=1", second)
		s.a.get(at+"&skip=1&limit=1").expect(200).is("/meta/skip", 1).is("/meta/limit", 1).is("/meta/total", 3)
		s.a.get(at+"&fields=name,price&filter=categoryID:"+in).expect(200).is("/data/0", object{"_id": first, "name": "Board", "price": 20})
		for _, wrong := range []string{"skip=undefined", "limit=0", "sort=colour", "fields=vouchers", "search=x", "filter=colour:red", "lang=_", "userID=1"} {
			name, _, _ := strings.Cut(wrong, "=")
			s.a.get(at+"&"+wrong).refuses("query/"+name, "")
		}
	}},
	{"STORE-VOUCHER-01", "createProduct updateProduct getProduct listProducts", "codes are counted and never shown, and a product has each of them once", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.post(productsPath, object{"serverId": club.id, "name": "Premium", "price": 5, "type": "voucher", "vouchers": []any{"CODE-ONE", "CODE-TWO"}}).expect(201).is("/data/stocks", 2)
		id := made.text("/data/_id")
		s.a.put(productsPath+"/"+id, object{"vouchers": []any{"CODE-THREE"}}).expect(200).is("/data/stocks", 3)
		for _, codes := range [][]any{{"CODE-ONE"}, {"CODE-FOUR", "CODE-FOUR"}} {
			s.a.put(productsPath+"/"+id, object{"vouchers": codes}).conflictsAt(fmt.Sprintf("/vouchers/%d", len(codes)-1))
		}
		for _, got := range []*answer{made, s.a.get(productsPath+"/"+id).expect(200).is("/data/stocks", 3), s.a.get(productsPath + "?serverId=" + club.id).expect(200)} {
			if strings.Contains(string(got.raw), "CODE-") {
				got.fail("it shows a code")
			}
		}
		s.a.put(productsPath+"/"+id, object{"stocks": 7}).refuses("/stocks", "")
		s.a.put(productsPath+"/"+id, object{"type": "physical"}).refuses("/type", "")
	}},
	{"STORE-BULK-01", "createProducts updateProducts getProduct listProducts", "a list of products is made or changed as a whole, or not at all, and what is wrong with each is told", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		s.a.opensStore(club)
		bulk, all := productsPath+"/bulk?serverId="+club.id, productsPath+"?serverId="+club.id
		product := func(more object) any { return map[string]any(object{"name": "Mug", "price": 10}.and(more)) }
		made := s.a.write("POST", bulk, []any{product(object{"description": "<p>For tea</p>"}), product(object{"type": "voucher", "vouchers": []any{"CODE-ONE"}})}).expect(201).says("Create products success.")
		made.is("/meta/created", 2).is("/data/0/description", "<p>For tea</p>").is("/data/1/stocks", 1)
		mug, code := made.text("/data/0/_id"), made.text("/data/1/_id")
		s.a.write("POST", bulk, []any{product(nil), product(object{"categoryName": "Nobody has this"}), product(object{"voucherExpireDate": "2001-01-01T00:00:00.000Z", "type": "voucher", "vouchers": []any{"CODE-TWO"}})}).
			refuses("/1/categoryName", "not_allowed").refuses("/2/voucherExpireDate", "too_small")
		s.a.write("POST", bulk, []any{product(nil), product(object{"type": "voucher", "vouchers": []any{"CODE-TWO", "CODE-TWO"}})}).conflictsAt("/1/vouchers/1")
		s.a.get(all).expect(200).holds("/data", 2)
		codes := func(from, n int) (list []any) {
			for i := range n {
				list = append(list, fmt.Sprint("CODE-", from+i))
			}
			return list
		}
		many := []any{}
		for i := range 11 {
			many = append(many, product(object{"type": "voucher", "vouchers": codes(1000*i, 1000)}))
		}
		s.a.write("POST", bulk, many).refuses("/10/vouchers", "too_many")

		change := func(id string, more object) any { return map[string]any(object{"productID": id}.and(more)) }
		foreign := s.a.makesProduct(other, nil)
		for pointer, list := range map[string][]any{
			"/1/productID": {change(mug, object{"price": 7}), change(foreign, object{"price": 7})},
			"/2/productID": {change(mug, object{"price": 7}), change(code, nil), change(mug, object{"price": 8})},
			"/0/productID": {map[string]any{"price": 7}},
			"/1/vouchers":  {change(code, object{"price": 7}), change(mug, object{"vouchers": []any{"CODE-TWO"}})},
			"/0/serverId":  {change(mug, object{"price": 7, "serverId": other.id})},
		} {
			s.a.write("PUT", bulk, list).refuses(pointer, "")
		}
		s.a.write("PUT", bulk, []any{change(mug, object{"price": 7}), change(code, object{"vouchers": []any{"CODE-ONE"}})}).conflictsAt("/1/vouchers/0")
		s.a.get(all).expect(200).is("/data/0/price", 10).is("/data/1/price", 10)
		s.a.write("PUT", bulk, []any{change(code, object{"vouchers": []any{"CODE-TWO"}}), change(mug, object{"price": 7})}).expect(200).says("Update products success.").
			is("/meta/updated", 2).is("/data/0/stocks", 2).is("/data/1/price", 7).lacks("/data/1/description")
		s.a.get(productsPath+"/"+mug).expect(200).is("/data/price", 7).is("/data/description", "<p>For tea</p>")
	}},
	{"STORE-BULK-02", "createProducts updateProducts getProduct", "a CSV file makes and changes products as a list does, and what is wrong with it is told by row and column", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.opensStore(club)
		bulk := productsPath + "/bulk?serverId=" + club.id
		send := func(method, file string) *answer {
			return s.a.submit(method, bulk, upload("file", "products.csv", "text/csv", []byte(file)))
		}
		role := s.a.get("/servers/" + club.id + "/roles").expect(200).text("/body/0/title")
		made := send("POST", "price, NAME ,Vouchers,Type,Voucher Expire Date,Permission Enabled,Permission Type,Roles,Access Level\r\n"+
			`5,"Premium ""gold""","CODE-ONE, CODE-TWO",voucher,2036-12-31T00:00:00.000Z,TRUE,role,`+role+",view-only\r\n"+
			",,,,,true,role,"+role+",no-access\r\n,,,,,,,,\r\n7,Mug,,,,,,,\r\n").expect(201).says("Create products success.").is("/meta/created", 2)
		made.has("/data/0", object{"name": `Premium "gold"`, "price": 5, "stocks": 2, "type": "voucher"}).is("/data/0/productPermission/1/accessLevel", "no-access").is("/data/1/type", "physical")
		mug := made.text("/data/1/_id")
		for _, wrong := range []struct{ file, says string }{
			{"Name\r\nMug\r\n", "Price"},
			{"Name,Price,Colour\r\nMug,1,red\r\n", "column 3"},
			{"Name,Price,Name\r\nMug,1,Mug\r\n", "Name"},
			{"Name,Price\r\nMug,1\r\nCup,cheap\r\n", "row 2, column Price"},
			{"Name,Price,Access Level\r\nMug,1,\r\n,2,no-access\r\n", "row 2, column Price"},
			{"Name,Price,Permission Enabled,Permission Type,Access Level\r\nMug,1,,,\r\n,,true,role,some\r\n", "row 2, column Access Level"},
			{"Name,Price,Permission Enabled,Permission Type,Roles,Access Level\r\nMug,1,true,role,Nobody has this,no-access\r\n", "row 1, column Roles"},
			{"Name,Price\r\nMug\r\n", "row 1"},
			{"Name,Price\r\n", ""},
			{"Name,Price,Category Name\r\nMug,1,Nobody has this\r\n", "row 1, column Category Name"},
		} {
			got := send("POST", wrong.file).refuses("/file", "")
			if text := got.text("/data/fields/0/message"); !strings.Contains(text, wrong.says) {
				got.fail("/data/fields/0/message does not say %q", wrong.says)
			}
		}
		s.a.get(productsPath+"?serverId="+club.id).expect(200).holds("/data", 2)
		send("PUT", "Product ID,Price,Name\r\n"+mug+",8,\r\n").expect(200).is("/meta/updated", 1)
		s.a.get(productsPath+"/"+mug).expect(200).is("/data/price", 8).is("/data/name", "Mug")
	}},
	{"STORE-VIEW-01", "listProducts getProduct listCategories getCategory roles", "members see what is sold to them, administrators everything, and what a member sees", func(s *session) {
		club := s.a.makesServer("Chess club")
		number := s.b.joins(club)
		in := s.a.makesCategory(club, nil)
		plain := s.a.makesProduct(club, object{"categoryID": in, "stocks": 3, "shouldDisplayRemainingQuantity": false})
		role := s.a.get("/servers/" + club.id + "/roles").expect(200).text("/body/0/title")
		s.a.makesRole(club, object{"title": "VIP"})
		hidden := s.a.makesProduct(club, object{"isProductAccessEnabled": true, "productPermission": []any{permits("VIP", "full-access")}})
		s.a.makesProduct(club, object{"isArchived": true})
		shown := s.a.makesProduct(club, object{"isProductAccessEnabled": true, "productPermission": []any{permits(role, "view-only")}})
		at := productsPath + "?serverId=" + club.id
		s.b.get(at).expect(200).holds("/data", 2).is("/data/0/_id", plain).is("/data/1/_id", shown).lacks("/data/0/productPermission").lacks("/data/0/stocks")
		s.a.get(at).expect(200).holds("/data", 4).is("/data/0/stocks", 3)
		s.a.get(at+"&userID="+s.a.accountOf(club, number)).expect(200).holds("/data", 2)
		s.b.get(productsPath + "/" + hidden).expect(404)
		s.b.get(categoriesPath + "/" + in).expect(200).lacks("/data/categoryPermission")
		s.a.put(categoriesPath+"/"+in, object{"categoryPermission": []any{permits("VIP", "full-access")}}).expect(200)
		s.b.get(categoriesPath + "/" + in).expect(404)
		s.b.get(productsPath + "/" + plain).expect(404)
		s.a.put(productsPath+"/"+plain, object{"productPermission": []any{permits("Nobody has this", "full-access")}}).refuses("/productPermission/0/permission/roleNames", "")
		s.a.put(storePath, object{"serverId": club.id, "isEnabled": false}).expect(200)
		s.b.get(at).expect(200).holds("/data", 0)
		s.b.get(productsPath + "/" + shown).expect(404)
	}},
	{"STORE-NAMES-01", "mail getProduct updateProduct listProducts getCategory updateCategory roles auth", "permissions go on naming the roles and users that they named, whatever those are called later, and nobody else who is called so then", func(s *session) {
		club := s.a.makesServer("Chess club")
		name, later, who := "c."+unknownID(), "c."+unknownID(), object{"email": freshEmail(), "password": "correct horse battery staple"}
		s.anonymous.post("/auth/register", who.and(object{"username": name})).expect(201)
		member := s.as(s.anonymous.post("/auth/verify-email", who.and(object{"code": s.code(who["email"].(string))})).expect(200).text("/body/token"))
		number := member.joins(club)
		vip := s.a.makesRole(club, object{"title": "VIP"})
		plain := object{"isProductAccessEnabled": true}
		forRole := s.a.makesProduct(club, plain.and(object{"productPermission": []any{permits("VIP", "full-access")}}))
		forUser := s.a.makesProduct(club, plain.and(object{"productPermission": []any{object{"isEnabled": true, "type": "user", "permission": object{"usernames": []any{name}}, "accessLevel": "full-access"}}}))
		in := s.a.makesCategory(club, object{"categoryPermission": []any{object{"isEnabled": true, "type": "combination", "accessLevel": "full-access", "permission": object{
			"combination": []any{object{"type": "role", "values": []any{"VIP"}}, object{"type": "user", "values": []any{name}}}}}}})
		entry, part := "/data/productPermission/0/permission", "/data/categoryPermission/0/permission/combination"
		roles := func() any {
			return s.a.get(productsPath + "/" + forRole).expect(200).at("/data/productPermission")
		}
		s.a.get(productsPath+"/"+forRole).expect(200).is(entry+"/roleNames", []any{"VIP"})
		s.a.get(productsPath+"/"+forUser).expect(200).is(entry+"/usernames", []any{name})
		sees := func(what string, status int) { member.get(what).expect(status) }
		sees(productsPath+"/"+forUser, 200)
		sees(productsPath+"/"+forRole, 404)

		// Another role of the title, and another user of the name.
		other := s.a.makesRole(club, object{"title": "VIP"})
		s.a.gives(other, number).expect(200)
		sees(productsPath+"/"+forRole, 404)
		sees(categoriesPath+"/"+in, 404)
		s.a.get(productsPath+"/"+forRole).expect(200).is(entry+"/roleNames", []any{vip})
		s.a.put(productsPath+"/"+forRole, object{"productPermission": roles()}).expect(200).is(entry+"/roleNames", []any{vip})
		s.a.put(productsPath+"/"+forRole, object{"productPermission": []any{permits("VIP", "full-access")}}).refuses("/productPermission/0/permission/roleNames", "")
		s.a.put("/roles/"+other, aRole.and(object{"title": "Guests"})).expect(200)
		s.a.put("/roles/"+vip, aRole.and(object{"title": "Gold"})).expect(200)
		s.a.get(productsPath+"/"+forRole).expect(200).is(entry+"/roleNames", []any{"Gold"})
		s.a.get(categoriesPath+"/"+in).expect(200).is(part+"/0/values", []any{"Gold"})
		s.a.gives(vip, number).expect(200)
		sees(productsPath+"/"+forRole, 200)
		sees(categoriesPath+"/"+in, 200)
		member.get(productsPath+"?serverId="+club.id).expect(200).holds("/data", 2)

		member.write("PATCH", "/auth/me", object{"username": later}).expect(200)
		s.anonymous.post("/auth/register", object{"email": freshEmail(), "password": "correct horse battery staple", "username": name}).expect(201)
		sees(productsPath+"/"+forUser, 200)
		s.a.get(productsPath+"/"+forUser+"?userID="+s.a.accountOf(club, number)).expect(200).is(entry+"/usernames", []any{later})
		s.a.get(categoriesPath+"/"+in).expect(200).is(part+"/1/values", []any{later})

		// What is gone is named no more, and what is shown may always be sent again.
		s.a.delete("/roles/" + vip).expect(200)
		s.a.get(productsPath + "/" + forRole).expect(200).lacks(entry + "/roleNames")
		s.a.put(productsPath+"/"+forRole, object{"productPermission": roles()}).expect(200)
		member.post(club.path("/leave")).expect(200)
		still := s.a.get(productsPath+"/"+forUser).expect(200).is(entry+"/usernames", []any{later}).at("/data/productPermission")
		s.a.put(productsPath+"/"+forUser, object{"productPermission": still}).expect(200).is(entry+"/usernames", []any{later})
	}},
}

// permits is an entry of permissions for those who have a role.
func permits(role, level string) object {
	return object{"isEnabled": true, "type": "role", "permission": object{"roleNames": []any{role}}, "accessLevel": level}
}
