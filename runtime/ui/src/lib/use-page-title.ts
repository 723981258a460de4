import { useEffect } from "react";

/** Names the browser's tab: what is shown, and whose it is. */
export function usePageTitle(title: string, airline: string | undefined): void {
  useEffect(() => {
    document.title = [title, airline ?? "Albatross"].join(" · ");
  }, [title, airline]);
}
